// A network as a Python object: a type written by hand, since its calls cost little more than a step of a small network.
#pragma once

#include "python_arrays.hpp"

namespace penstock {

// Raises what a status says, with the core's words; null, as functions of Python return then.
inline PyObject* raised(penstock_status status) {
    PyErr_SetString(status == PENSTOCK_BAD_TYPE    ? PyExc_TypeError
                    : status == PENSTOCK_NO_MEMORY ? PyExc_MemoryError
                                                   : PyExc_ValueError,
                    penstock_message());
    return nullptr;
}

struct PythonNetwork {
    PyObject_HEAD
    penstock_network* network;
    PyObject* parts;          // what it refers to
    Arguments<1>* embedding;  // holds the array's memory
    double multiply_adds;     // of one stream's step
    int threads;
    bool reads_tokens;

    // Adds the type to a module. False with a Python error set.
    static bool add_type(PyObject* module) {
        static PyMethodDef methods[] = {
            {"step", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(step)), METH_FASTCALL,
             "step(x, state, out, memory, row) -> out, or row where x is that of one stream, without an axis for streams: "
             "penstock_network_step"},
            {"sample", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(sample)), METH_FASTCALL,
             "sample(token, state, random, temperature, top_k, top_p, never, memory) -> token: penstock_network_sample, "
             "of one stream"},
            {"memory", memory, METH_O, "memory(n) -> bytes: penstock_step_memory"},
            {}};
        static PyType_Slot slots[] = {{Py_tp_methods, methods},
                                      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                                      {0, nullptr}};
        static PyType_Spec spec = {"penstock.native._core.Network", sizeof(PythonNetwork), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
        type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
        if (!type) return false;
        Py_INCREF(reinterpret_cast<PyObject*>(type));
        return PyModule_AddObject(module, "Network", reinterpret_cast<PyObject*>(type)) == 0;
    }

    // One of these parts, whose Python objects are in `kept`; `embedding` None or an array. Null with an error set.
    static PyObject* made(penstock_parts parts, PyObject* kept, PyObject* embedding, double multiply_adds, int threads) {
        auto* self = PyObject_New(PythonNetwork, type);
        if (!self) return nullptr;
        self->network = nullptr;
        self->parts = Py_NewRef(kept);
        self->embedding = new Arguments<1>;
        self->multiply_adds = multiply_adds;
        self->threads = threads;
        self->reads_tokens = embedding != Py_None;
        penstock_status status = PENSTOCK_OK;
        const bool described = self->embedding->hold("embedding", embedding, parts.embedding);
        if (described) status = penstock_make_network(&parts, &self->network);
        if (described && status == PENSTOCK_OK) return reinterpret_cast<PyObject*>(self);
        if (status != PENSTOCK_OK) raised(status);
        Py_DECREF(self);
        return nullptr;
    }

private:
    inline static PyTypeObject* type = nullptr;

    static PythonNetwork& of(PyObject* self) { return *reinterpret_cast<PythonNetwork*>(self); }

    static void dealloc(PyObject* self) {
        PyTypeObject* const its_type = Py_TYPE(self);
        penstock_free_network(of(self).network);
        delete of(self).embedding;
        Py_XDECREF(of(self).parts);
        PyObject_Free(self);
        Py_DECREF(reinterpret_cast<PyObject*>(its_type));
    }

    // A call that lasts long enough lets others run meanwhile.
    template <class Call>
    penstock_status unlocked(int64_t rows, Call call) const {
        if (double(rows) * multiply_adds < 1 << 19) return call();
        PyThreadState* const state = PyEval_SaveThread();
        const penstock_status status = call();
        PyEval_RestoreThread(state);
        return status;
    }

    static bool expect_count(Py_ssize_t count, Py_ssize_t expected) {
        if (count == expected) return true;
        PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", expected, count);
        return false;
    }

    // What the streams read: of one stream also without an axis for streams.
    struct Rows {
        penstock_array array = {};
        bool single = false;
        int64_t token = 0;

        template <class Described>
        bool describe(Described& arguments, PyObject* object, bool tokens) {
            if (tokens && (PyLong_Check(object) || reinterpret_cast<PyObject*>(Py_TYPE(object)) == numpy::known().integer)) {
                PyObject* const whole = PyNumber_Index(object);
                if (!whole) return false;
                token = PyLong_AsLongLong(whole);
                Py_DECREF(whole);
                PyErr_Clear();  // one that is too large is −1, which is none either
                array = {&token, PENSTOCK_INT64, 1, {1}, {1}};
                return single = true;
            }
            if (!arguments.describe("x", object, array)) return false;
            if (!tokens && array.ndim == 1) {
                single = true;
                add_axis(array, 0);
            }
            return true;
        }
    };

    // An axis of size 1 at this place.
    static void add_axis(penstock_array& array, int at) {
        for (int k = array.ndim++; k > at; --k) {
            array.shape[k] = array.shape[k - 1];
            array.strides[k] = array.strides[k - 1];
        }
        array.shape[at] = array.strides[at] = 1;
    }

    // Where a step works: an array of whatever type, or None.
    struct Workplace {
        void* at = nullptr;
        size_t bytes = 0;

        template <class Described>
        bool describe(Described& arguments, PyObject* object) {
            penstock_array array = {};
            if (!arguments.describe("memory", object, array, true)) return false;
            at = array.data;
            bytes = array.data && array.ndim == 1 && array.dtype == PENSTOCK_FLOAT64 && array.strides[0] == 1
                        ? size_t(array.shape[0]) * sizeof(double)
                        : 0;
            return true;
        }
    };

    static PyObject* step(PyObject* self, PyObject* const* values, Py_ssize_t count) {
        if (!expect_count(count, 5)) return nullptr;
        const PythonNetwork& with = of(self);
        Arguments<4> arguments;
        Rows x;
        penstock_array state = {}, out = {};
        Workplace place;
        if (!x.describe(arguments, values[0], with.reads_tokens) ||
            !arguments.describe("state", values[1], state, true) ||
            !arguments.describe("out", values[2], out, true) || !place.describe(arguments, values[3]))
            return nullptr;
        if (x.single && state.ndim == 2) add_axis(state, 1);
        if (x.single && out.ndim == 1) add_axis(out, 0);
        const penstock_status status = with.unlocked(x.array.shape[0], [&] {
            return penstock_network_step(with.network, &x.array, &state, &out, place.at, place.bytes, with.threads);
        });
        return status == PENSTOCK_OK ? Py_NewRef(values[x.single ? 4 : 2]) : raised(status);
    }

    static PyObject* sample(PyObject* self, PyObject* const* values, Py_ssize_t count) {
        if (!expect_count(count, 8)) return nullptr;
        const PythonNetwork& with = of(self);
        Arguments<3> arguments;
        Rows x;
        penstock_array state = {};
        Workplace place;
        if (!x.describe(arguments, values[0], with.reads_tokens) ||
            !arguments.describe("state", values[1], state, true) || !place.describe(arguments, values[7]))
            return nullptr;
        if (x.single && state.ndim == 2) add_axis(state, 1);
        double random = PyFloat_AsDouble(values[2]);
        const penstock_sampling sampling = {PyFloat_AsDouble(values[3]), PyLong_AsLongLong(values[4]),
                                            PyFloat_AsDouble(values[5]), PyLong_AsLongLong(values[6])};
        if (PyErr_Occurred()) return nullptr;
        int64_t token = 0;
        const penstock_array of_random = {&random, PENSTOCK_FLOAT64, 1, {1}, {1}},
                             of_token = {&token, PENSTOCK_INT64, 1, {1}, {1}};
        const penstock_status status = with.unlocked(1, [&] {
            return penstock_network_sample(with.network, &x.array, &state, &sampling, &of_random, &of_token, place.at,
                                           place.bytes, with.threads);
        });
        return status == PENSTOCK_OK ? PyLong_FromLongLong(token) : raised(status);
    }

    static PyObject* memory(PyObject* self, PyObject* rows) {
        const long long N = PyLong_AsLongLong(rows);
        if (N == -1 && PyErr_Occurred()) return nullptr;
        return PyLong_FromLongLong(penstock_step_memory(of(self).network, N));
    }
};

}  // namespace penstock
