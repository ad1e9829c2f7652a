#include "arrays.hpp"

#include <cstdlib>
#include <utility>

namespace penstock {
namespace {

// Of a shape or of strides, as Python prints a tuple.
std::string tuple(const int64_t* values, int count) {
    std::string text;
    for (int k = 0; k < count; ++k) text.append(k ? ", " : "(").append(std::to_string(values[k]));
    return text.append(count == 0 ? "()" : count == 1 ? ",)" : ")");
}

bool empty(const penstock_array& array) {
    for (int k = 0; k < array.ndim; ++k)
        if (array.shape[k] == 0) return true;
    return false;
}

// Far below what a size_t counts, so that sums of a few such numbers cannot overflow.
constexpr int64_t addressable = int64_t(1) << 57;

}  // namespace

void refuse(penstock_status status, std::string message) { throw Refusal{status, std::move(message)}; }

size_t size_of(int32_t dtype) {
    switch (dtype) {
        case PENSTOCK_FLOAT32:
            return 4;
        case PENSTOCK_FLOAT64:
        case PENSTOCK_INT64:
            return 8;
        case PENSTOCK_BFLOAT16:
            return 2;
        default:
            return 1;
    }
}

const char* name_of(int32_t dtype) {
    switch (dtype) {
        case PENSTOCK_FLOAT32:
            return "float32";
        case PENSTOCK_FLOAT64:
            return "float64";
        case PENSTOCK_BFLOAT16:
            return "bfloat16";
        case PENSTOCK_INT8:
            return "int8";
        case PENSTOCK_INT64:
            return "int64";
        case PENSTOCK_BOOL:
            return "bool";
        default:
            return "another type";
    }
}

void expect_shape(const char* name, const penstock_array& array, std::initializer_list<Axis> axes) {
    bool fits = array.ndim == int32_t(axes.size());
    int k = 0;
    for (const Axis& axis : axes) {
        if (!fits) break;
        fits = array.shape[k] >= 0 && (axis.size < 0 || array.shape[k] == axis.size);
        ++k;
    }
    if (fits) return;
    std::string expected;
    for (const Axis& axis : axes) {
        expected.append(expected.empty() ? "" : ", ").append(axis.letter);
        if (axis.size >= 0) expected.append("=").append(std::to_string(axis.size));
    }
    const std::string came = !given(array)                      ? "none"
                             : array.ndim < 0 || array.ndim > 3 ? std::to_string(array.ndim) + " axes"
                                                                : tuple(array.shape, array.ndim);
    refuse(PENSTOCK_BAD_VALUE, std::string(name) + ": expected (" + expected + "), got " + came);
}

void expect_dtype(const char* name, const penstock_array& array, int32_t dtype, const char* as) {
    if (array.dtype == dtype) return;
    refuse(PENSTOCK_BAD_TYPE, std::string(name) + ": expected " + name_of(dtype) +
                                  (as ? std::string(", as ") + as : "") + ", got " + name_of(array.dtype));
}

void expect_addressable(const char* name, const penstock_array& array) {
    if (empty(array)) return;
    const auto item = __int128(size_of(array.dtype)), most = addressable / item;
    __int128 below = 0, above = 1, count = 1;  // elements, of which no product here overflows
    for (int k = 0; k < array.ndim; ++k) {
        const __int128 reach = __int128(array.shape[k] - 1) * array.strides[k];
        (reach < 0 ? below : above) += reach;
        count *= array.shape[k];
        if (above > most || below < -most || count > most)
            refuse(PENSTOCK_BAD_VALUE, std::string(name) + ": " + tuple(array.shape, array.ndim) + " with strides " +
                                           tuple(array.strides, array.ndim) + " is larger than memory can be");
    }
    const auto at = reinterpret_cast<uintptr_t>(array.data);
    if (!array.data) refuse(PENSTOCK_BAD_VALUE, std::string(name) + ": expected data, got a null pointer");
    if (at % uintptr_t(item)) refuse(PENSTOCK_BAD_VALUE, std::string(name) + ": its data is not aligned to its type");
    if (__int128(at) + below * item < 0 || __int128(at) + above * item > __int128(UINTPTR_MAX))
        refuse(PENSTOCK_BAD_VALUE, std::string(name) + ": its strides lead out of the address space");
}

void expect_last_contiguous(const char* name, const penstock_array& array) {
    const int last = array.ndim - 1;
    if (empty(array) || array.shape[last] == 1 || array.strides[last] == 1) return;
    refuse(PENSTOCK_BAD_VALUE, std::string(name) + ": expected its last axis to be contiguous, got strides " +
                                   tuple(array.strides, array.ndim));
}

void expect_contiguous(const char* name, const penstock_array& array) {
    if (empty(array)) return;
    int64_t stride = 1;
    for (int k = array.ndim - 1; k >= 0; --k) {
        if (array.shape[k] != 1 && array.strides[k] != stride)
            refuse(PENSTOCK_BAD_VALUE, std::string(name) + ": expected to be contiguous, got strides " +
                                           tuple(array.strides, array.ndim));
        stride *= array.shape[k];
    }
}

void expect_apart(const char* name, const penstock_array& array) {
    if (empty(array)) return;
    // From the nearest neighbours outwards, each axis steps over all of those within.
    bool counted[3] = {};
    int left = array.ndim;
    for (int k = 0; k < array.ndim; ++k)
        if (array.shape[k] == 1) counted[k] = true, --left;  // whatever its stride
    __int128 within = 1;
    for (; left > 0; --left) {
        int nearest = -1;
        for (int k = 0; k < array.ndim; ++k)
            if (!counted[k] && (nearest < 0 || std::abs(array.strides[k]) < std::abs(array.strides[nearest])))
                nearest = k;
        counted[nearest] = true;
        const int64_t size = array.shape[nearest], stride = std::abs(array.strides[nearest]);
        if (stride < within)
            refuse(PENSTOCK_BAD_VALUE, std::string(name) +
                                           ": expected its elements in places of their own, got strides " +
                                           tuple(array.strides, array.ndim));
        within += __int128(size - 1) * stride;
    }
}

Extent extent_of(const char* name, const penstock_array& array) {
    const auto at = reinterpret_cast<uintptr_t>(array.data);
    if (!given(array) || empty(array)) return {name, at, at};
    const auto item = int64_t(size_of(array.dtype));
    int64_t below = 0, above = item;
    for (int k = 0; k < array.ndim; ++k) {
        const int64_t reach = (array.shape[k] - 1) * array.strides[k] * item;
        (reach < 0 ? below : above) += reach;
    }
    return {name, at + uintptr_t(below), at + uintptr_t(above)};
}

}  // namespace penstock
