// The four handlers as XLA knows them: of narrow and of wide states, forward and in reverse.
#pragma once

#include "wide.h"

namespace qrnn_cuda {

template <int count, typename Binding>
auto arguments(Binding binding) {
  if constexpr (count == 1) {
    return std::move(binding).template Arg<ffi::AnyBuffer>();
  } else {
    return arguments<count - 1>(std::move(binding).template Arg<ffi::AnyBuffer>());
  }
}

template <int count, typename Binding>
auto results(Binding binding) {
  if constexpr (count == 1) {
    return std::move(binding).template Ret<ffi::AnyBuffer>();
  } else {
    return results<count - 1>(std::move(binding).template Ret<ffi::AnyBuffer>());
  }
}

template <int inputs, int outputs, typename Binding>
auto narrow_binding(Binding binding) {
  return results<outputs>(arguments<inputs>(std::move(binding)
                                                .template Attr<int64_t>("wires")
                                                .template Attr<int64_t>("words")));
}

template <int inputs, int outputs, typename Binding>
auto wide_binding(Binding binding) {
  return results<outputs>(arguments<inputs>(std::move(binding)
                                                .template Attr<int64_t>("wires")
                                                .template Attr<int64_t>("words")
                                                .template Attr<int64_t>("tile")
                                                .template Attr<int64_t>("parts")
                                                .template Attr<Passes>("passes")));
}

}  // namespace qrnn_cuda

// Of the functions Forward, Backward, WideForward, WideBackward; what follows the name are traits.
#define QRNN_HANDLERS(name, ...)                                                                 \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name##Forward, qrnn_cuda::Forward,                                \
                                (qrnn_cuda::narrow_binding<4, 2>(qrnn_cuda::Context()))           \
                                    __VA_OPT__(, ) __VA_ARGS__);                                 \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name##Backward, qrnn_cuda::Backward,                              \
                                (qrnn_cuda::narrow_binding<6, 3>(qrnn_cuda::Context()))           \
                                    __VA_OPT__(, ) __VA_ARGS__);                                 \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name##WideForward, qrnn_cuda::WideForward,                        \
                                (qrnn_cuda::wide_binding<4, 3>(qrnn_cuda::Context()))             \
                                    __VA_OPT__(, ) __VA_ARGS__);                                 \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name##WideBackward, qrnn_cuda::WideBackward,                      \
                                (qrnn_cuda::wide_binding<6, 5>(qrnn_cuda::Context()))             \
                                    __VA_OPT__(, ) __VA_ARGS__);
