// The time loop of wide states: launches, in order. Nothing is waited for on the host and nothing
// allocated; what a launch leaves for later ones is in a workspace that XLA gives.
#pragma once

#include "handlers.h"

namespace qrnn_cuda {

// A pass: which ops, on tiles of which bits of an amplitude's index.
struct Range {
  int64_t first, count, bits;
};

// A runner has `least_tile`, `most_tile` and
//   template <typename Shape, typename T> ffi::Error pass(const Task<T>&, bool backward)
//   template <typename T> ffi::Error sum(const Sum<T>&, int64_t batch)
//   template <typename T> ffi::Error clear(T*, int64_t count)
template <typename Runner, typename Shape, typename T>
class Wide {
 public:
  // task: of a call. reads and slopes: where they end, a row for each sequence.
  Wide(Runner& runner, const Task<T>& task, ffi::Span<const int64_t> passes, T* workspace)
      : runner_(runner),
        task_(task),
        ends_(task),
        passes_(passes),
        backward_(task.from[1]),
        rows_(task.parts * Shape::warps),
        workspace_(workspace) {
    T* at = workspace;
    auto take = [&](int64_t count) {
      T* found = at;
      at += count;
      return found;
    };
    const int64_t all = task.batch * rows_;
    task_.fixed_slope = take(backward_ ? all * task.fixed_count : 0);
    task_.varying_slope = take(backward_ ? all * task.varying_count : 0);
    task_.reads = take(backward_ ? 0 : all * task.word_count);
    task_.norm_rows = take(all);
    norms_ = take(2 * task.batch);
    task_.norms = norms_;
    size_ = at - workspace;
  }

  int64_t workspace_size() const { return size_; }

  ffi::Error run() {
    check(runner_.clear(workspace_, size_));
    const int64_t count = static_cast<int64_t>(passes_.size()) / 3;
    if (!count || !task_.steps) launch(nothing());
    for (int64_t i = 0; count && i < task_.steps; ++i) {
      task_.step = backward_ ? task_.steps - 1 - i : i;
      const bool looks = (task_.steps - 1 - i) % kSteady == 0;
      for (int64_t p = 0; p < count; ++p) {
        task_.looks_first = i == 0 && p == 0;
        task_.looks_last = looks && p == count - 1;
        launch(range(backward_ ? count - 1 - p : p));
      }
      add_up_step();
      if (looks) add_up_norm(1);
    }
    if (task_.scales) launch(nothing());
    const int64_t fixed = task_.fixed_count;
    if (backward_) add_up(task_.fixed_slope, fixed, ends_.fixed_slope, fixed);
    return error_;
  }

 private:
  Range range(int64_t p) const {
    return {passes_[3 * p], passes_[3 * p + 1], passes_[3 * p + 2]};
  }

  // A pass without gates: copies a state, or scales it.
  Range nothing() const { return {0, 0, (int64_t{1} << task_.tile) - 1}; }

  void launch(Range range) {
    task_.ops = ends_.ops + range.first;
    task_.op_count = static_cast<int>(range.count);
    task_.tile_bits = static_cast<uint32_t>(range.bits);
    check(runner_.template pass<Shape>(task_, backward_));
    if (task_.looks_first) add_up_norm(0);
    task_.start_is_shared = task_.scales = task_.looks_first = false;
    if (task_.looks_last) task_.scales = true;
    task_.looks_last = false;
    for (int s = 0; s < 2; ++s) task_.from[s] = task_.to[s];
  }

  void add_up_step() {
    const int64_t count = backward_ ? task_.varying_count : task_.word_count;
    T* end = (backward_ ? ends_.varying_slope : ends_.reads) + task_.step * count;
    add_up(backward_ ? task_.varying_slope : task_.reads, count, end, task_.steps * count);
  }

  void add_up_norm(int which) { add_up(task_.norm_rows, 1, norms_ + which, 2); }

  void add_up(T* rows, int64_t count, T* end, int64_t stride) {
    if (count) check(runner_.sum(Sum<T>{rows, rows_, count, end, stride}, task_.batch));
  }

  // Keeps the first failure.
  void check(ffi::Error found) {
    if (error_.success()) error_ = found;
  }

  Runner& runner_;
  Task<T> task_;  // of the next launch
  const Task<T> ends_;
  ffi::Span<const int64_t> passes_;
  bool backward_;
  int64_t rows_;  // of a sequence
  T *workspace_, *norms_;
  int64_t size_;
  ffi::Error error_ = ffi::Error::Success();
};

using Passes = ffi::Span<const int64_t>;

struct Cut {
  int64_t tile, parts;
  Passes passes;
};

template <typename Runner, typename T>
ffi::Error run_wide(Runner& runner, Task<T> task, Cut cut, Output& workspace) {
  if (task.batch == 0) return ffi::Error::Success();
  task.wide = true;
  task.tile = static_cast<int>(cut.tile);
  task.parts = static_cast<int>(cut.parts);
  ffi::Error found = ffi::Error::Success();
  bool fits = true;
  const bool known = with_shape<Runner::most_tile, Runner::least_tile>(task.tile, [&](auto shape) {
    using Chosen = decltype(shape);
    Wide<Runner, Chosen, T> wide(runner, task, cut.passes, wanted<T>(workspace));
    fits = wide.workspace_size() <= static_cast<int64_t>(workspace->element_count());
    if (fits) found = wide.run();
  });
  if (!known) return ffi::Error::InvalidArgument("the kernel has no tiles of that size");
  if (!fits) return ffi::Error::InvalidArgument("the workspace is too small");
  return found;
}

template <typename Runner>
ffi::Error forward_wide(Runner runner, int64_t wires, int64_t words, Cut cut, Input ops,
                        Input fixed, Input varying, Input start, Output reads, Output last,
                        Output workspace) {
  auto with = [&](auto zero) {
    using T = decltype(zero);
    Task<T> task = task_of<T>(wires, words, ops, fixed, varying, start);
    task.reads = wanted<T>(reads);
    task.to[0] = wanted<T>(last);
    return run_wide(runner, task, cut, workspace);
  };
  return fixed.element_type() == ffi::DataType::F64 ? with(double{}) : with(float{});
}

template <typename Runner>
ffi::Error backward_wide(Runner runner, int64_t wires, int64_t words, Cut cut, Input ops,
                         Input fixed, Input varying, Input last, Input reads_slope,
                         Input last_slope, Output fixed_slope, Output varying_slope,
                         Output start_slope, Output psi, Output workspace) {
  auto with = [&](auto zero) {
    using T = decltype(zero);
    Task<T> task = task_of<T>(wires, words, ops, fixed, varying, last);
    task.reads_slope = given<T>(reads_slope);
    task.from[1] = given<T>(last_slope);
    task.fixed_slope = wanted<T>(fixed_slope);
    task.varying_slope = wanted<T>(varying_slope);
    task.to[0] = wanted<T>(psi);
    task.to[1] = wanted<T>(start_slope);
    return run_wide(runner, task, cut, workspace);
  };
  return fixed.element_type() == ffi::DataType::F64 ? with(double{}) : with(float{});
}

}  // namespace qrnn_cuda
