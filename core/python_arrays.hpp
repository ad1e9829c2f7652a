// Arrays as Python holds them, described for penstock.h without their frameworks' headers: torch tensors on the CPU by
// DLPack's C exchange API (DLPack 1.3, https://dmlc.github.io/dlpack), NumPy arrays and other buffers by PEP 3118.
#pragma once

#include <Python.h>

#include <algorithm>
#include <cstring>
#include <tuple>

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

// NumPy's own arrays, which are nearly all: their fields as numpy/ndarraytypes.h has had them since 1.7, which is part of
// its ABI. Read only once a few arrays of each type have been found to be so.
namespace numpy {

struct Array {
    PyObject_HEAD
    char* data;
    int ndim;
    Py_ssize_t *shape, *strides;  // in bytes
    PyObject *base, *descr;
    int flags;
};
enum Flag { contiguous = 0x1, aligned = 0x100, writeable = 0x400 };

struct Known {
    PyTypeObject* type = nullptr;  // null: not as expected
    PyObject* integer = nullptr;   // the type of a scalar
    struct {
        PyObject* descr;
        int32_t dtype;
        int shift;
    } dtypes[3] = {};
};

inline bool as_expected(PyObject* object, PyTypeObject* type, PyObject* descr) {
    const auto& array = *reinterpret_cast<Array*>(object);
    Py_buffer buffer;
    if (Py_TYPE(object) != type || PyObject_GetBuffer(object, &buffer, PyBUF_STRIDES) != 0) return false;
    const bool same = array.data == buffer.buf && array.ndim == 2 && buffer.ndim == 2 && array.descr == descr &&
                      std::equal(buffer.shape, buffer.shape + 2, array.shape) &&
                      std::equal(buffer.strides, buffer.strides + 2, array.strides) &&
                      bool(array.flags & writeable) == !buffer.readonly && (array.flags & aligned) &&
                      bool(array.flags & contiguous) == (buffer.strides[0] > buffer.strides[1]);
    PyBuffer_Release(&buffer);
    return same;
}

// The GIL is held, here and below. Leaves no error set.
inline Known look() {
    Known known;
    PyObject* const module = PyImport_ImportModule("numpy");
    PyObject* const type = module ? PyObject_GetAttrString(module, "ndarray") : nullptr;
    bool all = type != nullptr;
    int k = 0;
    for (const auto& [name, dtype, shift] : {std::tuple("float32", PENSTOCK_FLOAT32, 2),
                                             std::tuple("float64", PENSTOCK_FLOAT64, 3),
                                             std::tuple("int64", PENSTOCK_INT64, 3)}) {
        PyObject* const descr = all ? PyObject_CallMethod(module, "dtype", "s", name) : nullptr;
        PyObject* const plain = descr ? PyObject_CallMethod(module, "zeros", "((ii)O)", 2, 3, descr) : nullptr;
        PyObject* const turned = plain ? PyObject_GetAttrString(plain, "T") : nullptr;
        PyObject* const fixed = plain ? PyObject_CallMethod(module, "broadcast_to", "O(ii)", plain, 2, 3) : nullptr;
        for (PyObject* probe : {plain, turned, fixed})
            all = all && probe && as_expected(probe, reinterpret_cast<PyTypeObject*>(type), descr);
        known.dtypes[k++] = {descr, dtype, shift};  // kept for ever
        for (PyObject* probe : {plain, turned, fixed}) Py_XDECREF(probe);
    }
    PyErr_Clear();
    Py_XDECREF(module);
    if (!all) return known;
    known.type = reinterpret_cast<PyTypeObject*>(type);
    known.integer = PyObject_GetAttrString(known.dtypes[2].descr, "type");
    PyErr_Clear();
    return known;
}

inline const Known& known() {
    static const Known found = look();
    return found;
}

// Describes an array of NumPy's; false for anything that needs a closer look. The caller of a function holds its
// arguments, and an array that two hold does not move.
inline bool describe(PyObject* object, penstock_array& to, bool written) {
    if (Py_TYPE(object) != known().type) return false;
    const auto& array = *reinterpret_cast<const Array*>(object);
    if (!(array.flags & aligned) || (written && !(array.flags & writeable)) || array.ndim > 3) return false;
    for (const auto& [descr, dtype, shift] : known().dtypes) {
        if (array.descr != descr) continue;
        to.data = array.data;
        to.dtype = dtype;
        to.ndim = array.ndim;
        for (int k = 0; k < array.ndim; ++k) {
            to.shape[k] = array.shape[k];
            to.strides[k] = array.strides[k] >> shift;  // of an aligned array a whole number
        }
        return true;
    }
    return false;
}

}  // namespace numpy

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
        return object == Py_None || numpy::describe(object, array, written) || hold(name, object, array, written);
    }

    // The same, and the array's memory stays for as long as this does.
    bool hold(const char* name, PyObject* object, penstock_array& array, bool written = false) {
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
