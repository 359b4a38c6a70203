// The same kernel on the host, to test it without a GPU: a block after the other, its threads in
// lock-step.

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "bindings.h"

namespace qrnn_cuda {

struct Twin {
  static constexpr int most_wires = 11;  // both kinds of team are in it, and it compiles in seconds
  static constexpr int least_tile = 4, most_tile = 11;

  template <typename Shape, typename T>
  ffi::Error run(const Task<T>& task, bool backward) {
    using Threads = Team<T, Shape::warps>;
    constexpr int R = Shape::registers;
    std::vector<T> buffer(Shape::exchanged);
    const Threads team{buffer.data()};
    std::vector<T> sums(rows<Shape>(task) * task.fixed_count + 1, std::nan(""));  // as on a GPU
    T* kept = sums_fit<Shape>(task) ? sums.data() : nullptr;
    const int64_t varying = task.batch * Shape::warps * task.steps * task.varying_count;
    if (backward) std::fill_n(task.varying_slope, varying, std::nan(""));
    for (int64_t block = 0; block < blocks<Shape>(task); ++block) {
      if (backward) {  // on the heap: a team of arrays is large
        std::make_unique<Loop<Threads, R, 2>>(team, task, block, kept)->backward();
      } else {
        std::make_unique<Loop<Threads, R, 1>>(team, task, block, nullptr)->forward();
      }
    }
    return ffi::Error::Success();
  }

  template <typename Shape, typename T>
  ffi::Error pass(const Task<T>& task, bool backward) {
    using Threads = Team<T, Shape::warps>;
    constexpr int R = Shape::registers;
    std::vector<T> buffer(Shape::exchanged);
    const Threads team{buffer.data()};
    for (int64_t block = 0; block < blocks<Shape>(task); ++block) {
      if (backward) {
        std::make_unique<Pass<Threads, R, 2>>(team, task, block)->run();
      } else {
        std::make_unique<Pass<Threads, R, 1>>(team, task, block)->run();
      }
    }
    return ffi::Error::Success();
  }

  template <typename T>
  ffi::Error sum(const Sum<T>& sum, int64_t batch) {
    const Team<T, 1> team{};
    for (int64_t index = 0; index < batch * sum.count; ++index) add_rows(team, sum, index);
    return ffi::Error::Success();
  }

  template <typename T>
  ffi::Error clear(T* from, int64_t count) {
    std::memset(from, 0, count * sizeof(T));
    return ffi::Error::Success();
  }
};

auto Forward(int64_t wires, int64_t words, Input ops, Input fixed, Input varying, Input start,
             Output reads, Output last) {
  return forward(Twin{}, wires, words, ops, fixed, varying, start, reads, last);
}

auto Backward(int64_t wires, int64_t words, Input ops, Input fixed, Input varying, Input last,
              Input reads_slope, Input last_slope, Output fixed_slope, Output varying_slope,
              Output start_slope) {
  return backward(Twin{}, wires, words, ops, fixed, varying, last, reads_slope, last_slope,
                  fixed_slope, varying_slope, start_slope);
}

auto WideForward(int64_t wires, int64_t words, int64_t tile, int64_t parts, Passes passes,
                 Input ops, Input fixed, Input varying, Input start, Output reads, Output last,
                 Output workspace) {
  return forward_wide(Twin{}, wires, words, {tile, parts, passes}, ops, fixed, varying, start,
                      reads, last, workspace);
}

auto WideBackward(int64_t wires, int64_t words, int64_t tile, int64_t parts, Passes passes,
                  Input ops, Input fixed, Input varying, Input last, Input reads_slope,
                  Input last_slope, Output fixed_slope, Output varying_slope, Output start_slope,
                  Output psi, Output workspace) {
  return backward_wide(Twin{}, wires, words, {tile, parts, passes}, ops, fixed, varying, last,
                       reads_slope, last_slope, fixed_slope, varying_slope, start_slope, psi,
                       workspace);
}

auto Context() { return ffi::Ffi::Bind(); }

}  // namespace qrnn_cuda

QRNN_HANDLERS(QrnnTwin)
