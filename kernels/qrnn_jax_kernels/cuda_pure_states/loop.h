// The whole time loop of the sequences of one team, and its reversible adjoint.
#pragma once

#include "step.h"

namespace qrnn_cuda {

constexpr int64_t kSteady = 16;  // steps between two looks at the norm

template <typename Team, int R, int S>
class Loop {
 public:
  using T = typename Team::Number;
  using Value = typename Team::Value;

  // sums: see step.h.
  QRNN_DEVICE Loop(const Team& team, const Task<T>& task, int64_t block, T* sums)
      : team_(team), task_(task), step_(team, task, block, sums) {}

  QRNN_DEVICE void forward() {
    step_.load(0, task_.start_is_shared);
    const Value norm = whole(step_.sweep.norm());
    for (int64_t t = 0; t < task_.steps; ++t) {
      step_.at(t);
      step_.forward();
      steady(task_.steps - 1 - t, norm);
    }
    step_.store(0);
  }

  QRNN_DEVICE void backward() {
    clear_sums();
    step_.load(0, task_.start_is_shared);
    step_.load(S - 1, false);
    const Value norm = whole(step_.sweep.norm());
    for (int64_t t = task_.steps - 1; t >= 0; --t) {
      step_.at(t);
      step_.backward();
      steady(t, norm);
    }
    step_.store(S - 1);
    write_sums();
  }

 private:
  // Gates are rounded and the same ones act again and again: what that does to the norm is undone.
  QRNN_DEVICE void steady(int64_t t, const Value& norm) {
    if (t % kSteady == 0) step_.sweep.scale(step_.steadying(norm, whole(step_.sweep.norm())));
  }

  // The sum over the threads of a sequence, in each of them.
  QRNN_DEVICE Value whole(Value x) const {
    for (int mask = 1; mask < 1 << step_.sweep.thread_bits(); mask *= 2) {
      Value other = x;
      team_.template swap<1>(&other, mask);
      x += other;
    }
    return x;
  }

  QRNN_DEVICE void clear_sums() {
    each_sum([](T* here, T*) { *here = T(0); });
    team_.fence();
  }

  QRNN_DEVICE void write_sums() {
    team_.fence();
    each_sum([](T* here, T* there) {
      if (there) *there = *here;
    });
  }

  // visit(where a sum is, where it ends), by some thread of its row
  template <typename F>
  QRNN_DEVICE void each_sum(F visit) const {
    const int lanes = step_.rows.lanes();
    team_.visit([&](int thread) {
      T *here = step_.sums_row(thread), *there = step_.fixed_row(thread);
      if (!here) return;
      for (int64_t k = thread & (lanes - 1); k < task_.fixed_count; k += lanes) {
        visit(here + k, there ? there + k : nullptr);
      }
    });
  }

  const Team& team_;
  const Task<T>& task_;
  Step<Team, R, S> step_;
};

}  // namespace qrnn_cuda
