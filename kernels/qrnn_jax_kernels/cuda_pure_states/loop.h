// The whole time loop of the sequences of one team, and its reversible adjoint.
#pragma once

#include "rows.h"
#include "sweep.h"

namespace qrnn_cuda {

// How many bits of a lane's number belong to the place of an amplitude.
template <int R>
QRNN_BOTH constexpr int lane_bits(int wires) {
  return wires >= R + 5 ? 5 : wires > R ? wires - R : 0;
}

template <typename Team, int R, int S>
class Loop {
 public:
  using T = typename Team::Number;
  using Value = typename Team::Value;
  using State = typename Sweep<Team, R, S>::State;
  template <typename X>
  using Lanes = typename Team::template Lanes<X>;

  // sums: F numbers for each row of the block, or null; then they are added up where they end.
  QRNN_DEVICE Loop(const Team& team, const Task<T>& task, int64_t block, T* sums)
      : team_(team),
        task_(task),
        sums_(sums),
        pad_(task.wires < R ? R - task.wires : 0),
        rows_(team, task, lane_bits<R>(task.wires), block),
        sweep_(team, task.wires + pad_, task.wires + pad_ - R) {
    fixed_ = team_.each([&](int thread) -> const T* {
      return task_.fixed + (task_.fixed_is_shared ? 0 : rows_.sequence(thread) * task_.fixed_count);
    });
  }

  QRNN_DEVICE void forward() {
    load(task_.start, task_.start_is_shared, sweep_.states[0]);
    for (int64_t t = 0; t < task_.steps; ++t) {
      at_step(t);
      for (int i = 0; i < task_.op_count; ++i) forward(task_.ops[i]);
    }
    store(sweep_.states[0], task_.last);
  }

  QRNN_DEVICE void backward() {
    clear_sums();
    load(task_.start, task_.start_is_shared, sweep_.states[0]);
    load(task_.last_slope, false, sweep_.states[S - 1]);
    for (int64_t t = task_.steps - 1; t >= 0; --t) {
      at_step(t);
      for (int i = task_.op_count - 1; i >= 0; --i) backward(task_.ops[i]);
    }
    store(sweep_.states[S - 1], task_.start_slope);
    write_sums();
  }

 private:
  QRNN_DEVICE void at_step(int64_t t) {
    step_ = t;
    varying_ = team_.each([&](int thread) -> const T* {
      return task_.varying + (rows_.sequence(thread) * task_.steps + t) * task_.varying_count;
    });
  }

  QRNN_DEVICE void forward(const Op& op) {
    bring(op);
    State& psi = sweep_.states[0];
    if (op.kind == kOne) {
      sweep_.apply(sweep_.template matrix<2>(numbers(op), false), psi);
    } else if (op.kind == kControlledNot) {
      sweep_.controlled_not(op.first + pad_);
    } else if (op.kind == kDiagonal) {
      sweep_.turn(sweep_.phases(op.first + pad_, op.second + pad_, numbers(op), false), psi);
    } else if (op.kind == kTwo) {
      sweep_.apply(sweep_.template matrix<4>(numbers(op), false), psi);
    } else {
      read(op);
    }
  }

  // psi <- U^+ psi, then dL/dU = lambda conj(psi), then lambda <- U^+ lambda.
  QRNN_DEVICE void backward(const Op& op) {
    bring(op);
    if (op.kind == kOne) {
      dense<2>(op);
    } else if (op.kind == kControlledNot) {
      sweep_.controlled_not(op.first + pad_);
    } else if (op.kind == kDiagonal) {
      diagonal(op);
    } else if (op.kind == kTwo) {
      dense<4>(op);
    } else {
      pull(op);
    }
  }

  QRNN_DEVICE void bring(const Op& op) {
    if (op.high >= 0) sweep_.template bring<1>(op.high + pad_);
    if (op.low >= 0) sweep_.template bring<0>(op.low + pad_);
  }

  template <int side>
  QRNN_DEVICE void dense(const Op& op) {
    const auto matrix = sweep_.template matrix<side>(numbers(op), true);
    Value sums[2 * side * side];
    sweep_.apply(matrix, sweep_.states[0]);
    sweep_.template gather<side>(sums);
    sweep_.apply(matrix, sweep_.states[S - 1]);
    keep<2 * side * side>(op, sums);
  }

  QRNN_DEVICE void diagonal(const Op& op) {
    const auto phases = sweep_.phases(op.first + pad_, op.second + pad_, numbers(op), true);
    Value sums[8];
    sweep_.turn(phases, sweep_.states[0]);
    sweep_.gather(phases, sums);
    sweep_.turn(phases, sweep_.states[S - 1]);
    keep<8>(op, sums);
  }

  // Re conj(psi) P psi
  QRNN_DEVICE void read(const Op& word) {
    const State& psi = sweep_.states[0];
    Value sum[1] = {Value{}};
    sweep_.each_image(word, [&](int r, const Value& re, const Value& im) {
      sum[0] = sum[0] + psi.re[r] * re + psi.im[r] * im;
    });
    rows_.template add_up<1>(sum);
    const Lanes<T*> to = team_.each([&](int thread) -> T* {
      if (!rows_.is_used(thread) || rows_.held(thread, 1) < 0) return nullptr;
      return task_.reads + (rows_.row(thread) * task_.steps + step_) * task_.word_count;
    });
    team_.store(to, word.place, sum[0]);
  }

  // lambda += 2 slope P psi
  QRNN_DEVICE void pull(const Op& word) {
    State& lambda = sweep_.states[S - 1];
    const Lanes<const T*> slopes = team_.each([&](int thread) -> const T* {
      return task_.reads_slope + (rows_.sequence(thread) * task_.steps + step_) * task_.word_count;
    });
    const Value slope = team_.load(slopes, word.place), twice = slope + slope;
    sweep_.each_image(word, [&](int r, const Value& re, const Value& im) {
      lambda.re[r] += twice * re;
      lambda.im[r] += twice * im;
    });
  }

  QRNN_DEVICE Lanes<const T*> numbers(const Op& op) const {
    return team_.each([&](int thread) -> const T* {
      return op.place < 0 ? Team::at(varying_, thread) + ~op.place
                          : Team::at(fixed_, thread) + op.place;
    });
  }

  // The gradient of a gate's numbers: of this step, or added to that of the other steps.
  template <int count>
  QRNN_DEVICE void keep(const Op& op, Value* x) {
    rows_.template add_up<count>(x);
    const bool varies = op.place < 0;
    const Lanes<T*> to = team_.each([&](int thread) -> T* {
      const int first = rows_.held(thread, count);
      T* start = varies ? varying_row(thread) : sums_row(thread);
      return first < 0 || !start ? nullptr : start + (varies ? ~op.place : op.place) + first;
    });
    QRNN_UNROLL
    for (int k = 0; k < count; ++k) {
      if (k >= rows_.held_count(count)) break;
      varies ? team_.store(to, k, x[k]) : team_.add(to, k, x[k]);
    }
  }

  QRNN_DEVICE T* varying_row(int thread) const {
    if (!rows_.is_used(thread)) return nullptr;
    return task_.varying_slope + (rows_.row(thread) * task_.steps + step_) * task_.varying_count;
  }

  QRNN_DEVICE T* fixed_row(int thread) const {
    if (!rows_.is_used(thread)) return nullptr;
    return task_.fixed_slope + rows_.row(thread) * task_.fixed_count;
  }

  QRNN_DEVICE T* sums_row(int thread) const {
    return sums_ ? sums_ + rows_.local(thread) * task_.fixed_count : fixed_row(thread);
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
    team_.visit([&](int thread) {
      T *here = sums_row(thread), *there = fixed_row(thread);
      if (!here) return;
      for (int64_t k = thread & (rows_.lanes() - 1); k < task_.fixed_count; k += rows_.lanes()) {
        visit(here + k, there ? there + k : nullptr);
      }
    });
  }

  // Where the amplitude of a thread's register is; -1 if there is none (padded).
  QRNN_DEVICE int64_t amplitude(int r, int thread, bool shared) const {
    const int index = sweep_.places.index(sweep_.place(r, thread));
    if (index >> task_.wires) return -1;
    return 2 * (((shared ? 0 : rows_.sequence(thread)) << task_.wires) + index);
  }

  QRNN_DEVICE void load(const T* from, bool shared, State& state) const {
    QRNN_UNROLL
    for (int r = 0; r < Sweep<Team, R, S>::size; ++r) {
      const Lanes<const T*> at = team_.each([&](int thread) -> const T* {
        const int64_t offset = amplitude(r, thread, shared);
        return offset < 0 ? nullptr : from + offset;
      });
      state.re[r] = team_.load(at, 0);
      state.im[r] = team_.load(at, 1);
    }
  }

  QRNN_DEVICE void store(const State& state, T* to) const {
    QRNN_UNROLL
    for (int r = 0; r < Sweep<Team, R, S>::size; ++r) {
      const Lanes<T*> at = team_.each([&](int thread) -> T* {
        const int64_t offset = amplitude(r, thread, false);
        return offset < 0 || !rows_.is_used(thread) ? nullptr : to + offset;
      });
      team_.store(at, 0, state.re[r]);
      team_.store(at, 1, state.im[r]);
    }
  }

  const Team& team_;
  const Task<T>& task_;
  T* sums_;
  int pad_;  // idle wires before the first, where there are more registers than amplitudes
  Rows<Team> rows_;
  Sweep<Team, R, S> sweep_;
  Lanes<const T*> fixed_, varying_;
  int64_t step_ = 0;
};

}  // namespace qrnn_cuda
