// What XLA hands over, as numbers.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace qrnn {

template <typename T>
const T* numbers(xla::ffi::AnyBuffer& buffer) {
  return static_cast<const T*>(buffer.untyped_data());
}

template <typename T>
T* numbers(xla::ffi::Result<xla::ffi::AnyBuffer>& buffer) {
  return static_cast<T*>(buffer->untyped_data());
}

// with(a zero of the numbers' type)
template <typename F>
xla::ffi::Error by_type(const xla::ffi::AnyBuffer& buffer, F&& with) {
  buffer.element_type() == xla::ffi::DataType::F64 ? with(double{}) : with(float{});
  return xla::ffi::Error::Success();
}

}  // namespace qrnn
