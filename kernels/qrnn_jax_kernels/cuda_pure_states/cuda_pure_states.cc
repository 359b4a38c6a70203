// The same kernel on the host, to test it without a GPU: a block after the other, its threads in
// lock-step.

#include <cmath>
#include <memory>
#include <vector>

#include "handlers.h"

namespace qrnn_cuda {

struct Twin {
  static constexpr int most_wires = 11;  // both kinds of team are in it, and it compiles in seconds

  template <typename Shape, typename T>
  ffi::Error run(const Task<T>& task, bool backward) {
    using Threads = Team<T, Shape::warps>;
    constexpr int R = Shape::registers;
    std::vector<T> buffer(Shape::exchanged);
    const Threads team{buffer.data()};
    std::vector<T> sums(rows<Shape>(task) * task.fixed_count + 1, std::nan(""));  // as on a GPU
    T* kept = sums_fit<Shape>(task) ? sums.data() : nullptr;
    for (int64_t block = 0; block < blocks<Shape>(task); ++block) {
      if (backward) {  // on the heap: a team of arrays is large
        std::make_unique<Loop<Threads, R, 2>>(team, task, block, kept)->backward();
      } else {
        std::make_unique<Loop<Threads, R, 1>>(team, task, block, nullptr)->forward();
      }
    }
    return ffi::Error::Success();
  }
};

ffi::Error TwinForward(int64_t wires, int64_t words, Input ops, Input fixed,
                       Input varying, Input start, Output reads, Output last) {
  return forward(Twin{}, wires, words, ops, fixed, varying, start, reads, last);
}

ffi::Error TwinBackward(int64_t wires, int64_t words, Input ops, Input fixed,
                        Input varying, Input last, Input reads_slope, Input last_slope,
                        Output fixed_slope, Output varying_slope, Output start_slope) {
  return backward(Twin{}, wires, words, ops, fixed, varying, last, reads_slope, last_slope,
                  fixed_slope, varying_slope, start_slope);
}

auto TwinBound() { return bound(ffi::Ffi::Bind()); }

}  // namespace qrnn_cuda

XLA_FFI_DEFINE_HANDLER_SYMBOL(QrnnTwinForward, qrnn_cuda::TwinForward,
                              qrnn_cuda::TwinBound()
                                  .Ret<qrnn_cuda::ffi::AnyBuffer>()
                                  .Ret<qrnn_cuda::ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(QrnnTwinBackward, qrnn_cuda::TwinBackward,
                              qrnn_cuda::TwinBound()
                                  .Arg<qrnn_cuda::ffi::AnyBuffer>()
                                  .Arg<qrnn_cuda::ffi::AnyBuffer>()
                                  .Ret<qrnn_cuda::ffi::AnyBuffer>()
                                  .Ret<qrnn_cuda::ffi::AnyBuffer>()
                                  .Ret<qrnn_cuda::ffi::AnyBuffer>());
