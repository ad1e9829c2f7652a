// Arrays as Python holds them, described for penstock.h without their frameworks' headers: torch tensors on the CPU by
// DLPack's C exchange API (DLPack 1.3, https://dmlc.github.io/dlpack), NumPy arrays and other buffers by PEP 3118.
#pragma once

#include <Python.h>

#include <algorithm>
#include <cstring>

#include "penstock.h"

namespace penstock {

// What DLPack lays down of its structures; only what is read here has a name.
namespace dlpack {

struct Tensor {
    void* data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
};
constexpr int32_t cpu = 1;
enum Code : uint8_t { integer = 0, floating = 2, brain_float = 4, boolean = 6 };

struct ExchangeApi {
    uint32_t major, minor;
    void *previous, *allocate, *managed_from, *to_python;
    int (*describe)(void* object, Tensor* out);  // no owner: valid while the object is
};

// The table of a type, or null with no error set. Remembers some types, as it is asked for tensors, parameters and
// NumPy's arrays (which have none) time after time; the GIL is held.
inline const ExchangeApi* exchange_api(PyTypeObject* type) {
    static struct {
        PyTypeObject* type;
        const ExchangeApi* api;
    } known[4];
    static unsigned last = 0;
    for (const auto& row : known)
        if (row.type == type) return row.api;
    const ExchangeApi* api = nullptr;
    if (PyObject* capsule = PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__dlpack_c_exchange_api__")) {
        api = static_cast<const ExchangeApi*>(PyCapsule_GetPointer(capsule, "dlpack_exchange_api"));
        Py_DECREF(capsule);
        if (api && api->major != 1) api = nullptr;
    }
    PyErr_Clear();
    Py_INCREF(reinterpret_cast<PyObject*>(type));  // a new type in the place of one that is gone would be taken for it
    auto& row = known[last++ % 4];
    Py_XDECREF(reinterpret_cast<PyObject*>(row.type));
    row = {type, api};
    return api;
}

inline int32_t dtype_of(const Tensor& tensor) {
    if (tensor.lanes != 1) return PENSTOCK_OTHER;
    if (tensor.code == floating && tensor.bits == 32) return PENSTOCK_FLOAT32;
    if (tensor.code == floating && tensor.bits == 64) return PENSTOCK_FLOAT64;
    if (tensor.code == brain_float && tensor.bits == 16) return PENSTOCK_BFLOAT16;
    if (tensor.code == integer && tensor.bits == 64) return PENSTOCK_INT64;
    if (tensor.code == integer && tensor.bits == 8) return PENSTOCK_INT8;
    if (tensor.code == boolean && tensor.bits == 8) return PENSTOCK_BOOL;
    return PENSTOCK_OTHER;
}

}  // namespace dlpack

// Some arguments of a call, described; holds the buffers that it asked for until it goes.
template <int most>
class Arguments {
public:
    Arguments() = default;
    Arguments(const Arguments&) = delete;
    ~Arguments() {
        while (count_) PyBuffer_Release(&buffers_[--count_]);
    }

    // Fills `array`, which is all zero; None leaves it so. False with a Python error set.
    bool describe(const char* name, PyObject* object, penstock_array& array, bool written = false) {
        if (object == Py_None) return true;
        if (const auto* api = dlpack::exchange_api(Py_TYPE(object))) {
            dlpack::Tensor tensor;
            if (api->describe(object, &tensor) != 0) {  // has no memory of its own, as on the device "meta"
                PyErr_Clear();
                return refuse(name, "expected a tensor on the CPU");
            }
            if (tensor.device_type != dlpack::cpu) return refuse(name, "expected a tensor on the CPU");
            array = {
                static_cast<char*>(tensor.data) + tensor.byte_offset, dlpack::dtype_of(tensor), tensor.ndim, {}, {}};
            for (int k = 0; k < std::min(tensor.ndim, 3); ++k) {  // more are refused by their number
                array.shape[k] = tensor.shape[k];
                array.strides[k] = tensor.strides[k];
            }
            return true;
        }
        Py_buffer& buffer = buffers_[count_];
        if (PyObject_GetBuffer(object, &buffer, PyBUF_STRIDES | PyBUF_FORMAT | (written ? PyBUF_WRITABLE : 0)) != 0) {
            if (!written || PyObject_CheckBuffer(object)) PyErr_Clear();
            return refuse(name,
                          written ? "expected an array that can be written" : "expected an array or a CPU tensor");
        }
        ++count_;
        array = {buffer.buf, dtype_of(buffer), buffer.ndim, {}, {}};
        if (buffer.itemsize < 1) return refuse(name, "expected numbers, got elements of no size");
        for (int k = 0; k < std::min(buffer.ndim, 3); ++k) {
            array.shape[k] = buffer.shape[k];
            array.strides[k] = buffer.strides[k] / buffer.itemsize;
            if (buffer.strides[k] % buffer.itemsize && buffer.shape[k] > 1)
                return refuse(name, "expected strides that are a whole number of elements");
        }
        return true;
    }

private:
    static bool refuse(const char* name, const char* words) {
        PyErr_Format(PyExc_ValueError, "%s: %s", name, words);
        return false;
    }

    static int32_t dtype_of(const Py_buffer& buffer) {
        const char* format = buffer.format;
        if (*format == '@' || *format == '=' || (*format == '<' && PY_LITTLE_ENDIAN) ||
            (*format == '>' && PY_BIG_ENDIAN))
            ++format;
        if (format[0] == 0 || format[1] != 0) return PENSTOCK_OTHER;
        switch (format[0]) {
            case 'f':
                return PENSTOCK_FLOAT32;
            case 'd':
                return PENSTOCK_FLOAT64;
            case 'l':
            case 'q':
                return buffer.itemsize == 8 ? PENSTOCK_INT64 : PENSTOCK_OTHER;
            case '?':
                return PENSTOCK_BOOL;
            case 'b':
                return PENSTOCK_INT8;
            default:
                return PENSTOCK_OTHER;
        }
    }

    Py_buffer buffers_[most];
    int count_ = 0;
};

}  // namespace penstock
