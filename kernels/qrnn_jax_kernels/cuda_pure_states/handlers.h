// From FFI buffers to a task, and from its size to the team that runs it.
#pragma once

#include <algorithm>

#include "loop.h"
#include "pass.h"
#include "sum.h"
#include "xla/ffi/api/ffi.h"

namespace qrnn_cuda {

namespace ffi = xla::ffi;
using Input = ffi::AnyBuffer;
using Output = ffi::Result<ffi::AnyBuffer>;

// A thread holds 2^R amplitudes of each state, a sequence has W warps.
template <int R, int W>
struct Shape {
  static constexpr int registers = R, warps = W;
  // Numbers that a team needs to exchange half of its registers.
  static constexpr int exchanged = (32 * W) << (R - 1);
};

// 16 amplitudes for a thread, if there are enough for a warp: psi and lambda then take 64 of its 255
// registers in float32, 128 in float64.
template <int wires>
using ShapeFor =
    Shape<(wires <= 7 ? 2 : wires == 8 ? 3 : 4), (wires <= 9 ? 1 : 1 << (wires - 9))>;

// A block has 65536 registers.
template <typename T>
constexpr int kMostWires = sizeof(T) == 4 ? 13 : 12;

// Calls run(shape) with the shape for so many wires, `least` to `most`; false if there is none.
template <int most, int least = 1, typename F>
bool with_shape(int wires, F&& run) {
  if constexpr (most < least) {
    return false;
  } else {
    if (wires != most) return with_shape<most - 1, least>(wires, run);
    run(ShapeFor<most>{});
    return true;
  }
}

// How many rows of sums a block has: see rows.h.
template <typename Shape, typename T>
int64_t rows(const Task<T>& task) {
  return 32 * Shape::warps >> lane_bits<Shape::registers>(task.tile);
}

// How many blocks are needed.
template <typename Shape, typename T>
int64_t blocks(const Task<T>& task) {
  const int64_t sequences = rows<Shape>(task) / Shape::warps;  // or parts of them
  return (task.batch * task.parts + sequences - 1) / sequences;
}

// Of shared memory, for each block: what every GPU has without being asked.
constexpr int64_t kSharedBytes = 48 * 1024;

// Whether the sums of the fixed numbers' gradients fit there, beside what threads exchange.
template <typename Shape, typename T>
bool sums_fit(const Task<T>& task) {
  return (Shape::exchanged + rows<Shape>(task) * task.fixed_count) * sizeof(T) <= kSharedBytes;
}

template <typename T>
const T* given(Input& buffer) {
  return static_cast<const T*>(buffer.untyped_data());
}

template <typename T>
T* wanted(Output& buffer) {
  return static_cast<T*>(buffer->untyped_data());
}

// What both directions share.
template <typename T>
Task<T> task_of(int64_t wires, int64_t words, Input& ops, Input& fixed, Input& varying,
                Input& start) {
  Task<T> task{};
  const auto f = fixed.dimensions(), v = varying.dimensions(), s = start.dimensions();
  task.wires = task.tile = static_cast<int>(wires);
  task.tile_bits = ~0u;
  task.parts = 1;
  task.op_count = static_cast<int>(ops.dimensions()[0]);
  task.word_count = static_cast<int>(words);
  task.ops = static_cast<const Op*>(ops.untyped_data());
  task.batch = v[0];
  task.steps = v[1];
  task.fixed_count = f[1];
  task.varying_count = v[2];
  task.fixed_is_shared = f[0] == 1;
  task.start_is_shared = s[0] == 1;
  task.fixed = given<T>(fixed);
  task.varying = given<T>(varying);
  task.from[0] = given<T>(start);
  return task;
}

// A runner has `most_wires` and
//   template <typename Shape, typename T> ffi::Error run(const Task<T>&, bool backward)
template <typename Runner, typename T>
ffi::Error run(Runner& runner, const Task<T>& task, int64_t warps, bool backward) {
  if (task.batch == 0) return ffi::Error::Success();
  ffi::Error found = ffi::Error::Success();
  bool agrees = true;
  constexpr int most = std::min(Runner::most_wires, kMostWires<T>);
  const bool known = with_shape<most>(task.wires, [&](auto shape) {
    using Chosen = decltype(shape);
    agrees = Chosen::warps == warps;
    if (agrees) found = runner.template run<Chosen>(task, backward);
  });
  if (!known) return ffi::Error::InvalidArgument("the kernel has no shape for so many wires");
  if (!agrees) return ffi::Error::InvalidArgument("the outputs have rows for other warps");
  return found;
}

template <typename Runner>
ffi::Error forward(Runner runner, int64_t wires, int64_t words, Input ops, Input fixed,
                   Input varying, Input start, Output reads, Output last) {
  auto with = [&](auto zero) {
    using T = decltype(zero);
    Task<T> task = task_of<T>(wires, words, ops, fixed, varying, start);
    task.reads = wanted<T>(reads);
    task.to[0] = wanted<T>(last);
    return run(runner, task, reads->dimensions()[1], false);
  };
  return fixed.element_type() == ffi::DataType::F64 ? with(double{}) : with(float{});
}

template <typename Runner>
ffi::Error backward(Runner runner, int64_t wires, int64_t words, Input ops, Input fixed,
                    Input varying, Input last, Input reads_slope, Input last_slope,
                    Output fixed_slope, Output varying_slope, Output start_slope) {
  auto with = [&](auto zero) {
    using T = decltype(zero);
    Task<T> task = task_of<T>(wires, words, ops, fixed, varying, last);
    task.reads_slope = given<T>(reads_slope);
    task.from[1] = given<T>(last_slope);
    task.fixed_slope = wanted<T>(fixed_slope);
    task.varying_slope = wanted<T>(varying_slope);
    task.to[1] = wanted<T>(start_slope);
    return run(runner, task, fixed_slope->dimensions()[1], true);
  };
  return fixed.element_type() == ffi::DataType::F64 ? with(double{}) : with(float{});
}

}  // namespace qrnn_cuda

// Which FFI this was compiled against.
extern "C" int QrnnFfiVersion() { return 1000 * XLA_FFI_API_MAJOR + XLA_FFI_API_MINOR; }
