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

}  // namespace qrnn
