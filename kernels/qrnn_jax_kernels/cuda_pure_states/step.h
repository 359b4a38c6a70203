// The gates and read-outs of a step on the states of a team, forward and in reverse.
#pragma once

#include <cmath>

#include "memory.h"
#include "phases.h"

namespace qrnn_cuda {

// How many bits of a lane's number belong to the place of an amplitude.
template <int R>
QRNN_BOTH constexpr int lane_bits(int wires) {
  return wires >= R + 5 ? 5 : wires > R ? wires - R : 0;
}

template <typename Team, int R, int S>
class Step {
 public:
  using T = typename Team::Number;
  using Value = typename Team::Value;
  using State = typename Sweep<Team, R, S>::State;
  template <typename X>
  using Lanes = typename Team::template Lanes<X>;

  // sums: F numbers for each row of the block, or null; then they are added up where they end.
  QRNN_DEVICE Step(const Team& team, const Task<T>& task, int64_t block, T* sums)
      : rows(team, task, lane_bits<R>(task.tile), block),
        sweep(team, task.tile + pad_of(task), task.tile + pad_of(task) - R),
        team_(team),
        task_(task),
        sums_(sums),
        pad_(pad_of(task)) {
    fixed_ = team_.each([&](int thread) -> const T* {
      return task_.fixed + (task_.fixed_is_shared ? 0 : rows.sequence(thread) * task_.fixed_count);
    });
  }

  Rows<Team> rows;
  Sweep<Team, R, S> sweep;

  QRNN_DEVICE void at(int64_t step) {
    step_ = step;
    varying_ = team_.each([&](int thread) -> const T* {
      return task_.varying + (rows.sequence(thread) * task_.steps + step_) * task_.varying_count;
    });
  }

  QRNN_DEVICE void forward() {
    for (int i = 0; i < task_.op_count; ++i) forward(task_.ops[i]);
  }

  QRNN_DEVICE void backward() {
    for (int i = task_.op_count - 1; i >= 0; --i) backward(task_.ops[i]);
  }

  QRNN_DEVICE T* sums_row(int thread) const {
    return sums_ ? sums_ + rows.local(thread) * task_.fixed_count : fixed_row(thread);
  }

  QRNN_DEVICE T* fixed_row(int thread) const {
    if (!rows.is_used(thread)) return nullptr;
    return task_.fixed_slope + rows.row(thread) * task_.fixed_count;
  }

  // psi (0) or lambda (1): see memory.h
  QRNN_DEVICE void load(int s, bool shared) {
    Memory<Team, R, S>(team_, task_, rows, sweep).load(s, shared);
  }

  QRNN_DEVICE void store(int s) { Memory<Team, R, S>(team_, task_, rows, sweep).store(s); }

  // What sets a norm back; 1 if it is no rounding, or the norm is out of range.
  QRNN_DEVICE Value steadying(const Value& first, const Value& now) const {
    return team_.each([&](int thread) -> T {
      const T ratio = Team::at(first, thread) / Team::at(now, thread);
      return ratio > T(0.5) && ratio < T(2) ? std::sqrt(ratio) : T(1);
    });
  }

 private:
  // Idle wires before the first, where there are more registers than amplitudes.
  static QRNN_DEVICE int pad_of(const Task<T>& task) { return task.tile < R ? R - task.tile : 0; }

  QRNN_DEVICE void forward(const Op& op) {
    bring(op);
    State& psi = sweep.states[0];
    if (op.kind == kOne) {
      sweep.apply(sweep.template matrix<2>(numbers(op), false), psi);
    } else if (op.kind == kReal || op.kind == kTurn) {
      sweep.apply(sweep.real(numbers(op), op.kind == kTurn), false, psi);
    } else if (op.kind == kControlledNot) {
      sweep.controlled_not(op.wires[0] + pad_);
    } else if (op.kind == kDiagonal) {
      const Lanes<const T*> given = numbers(op);
      Phases<Team, R, S>(team_, sweep, op, pad_, given).apply();
    } else if (op.kind == kTwo) {
      sweep.apply(sweep.template matrix<4>(numbers(op), false), psi);
    } else {
      read(op);
    }
  }

  // psi <- U^+ psi, then dL/dU = lambda conj(psi), then lambda <- U^+ lambda.
  QRNN_DEVICE void backward(const Op& op) {
    bring(op);
    if (op.kind == kOne) {
      dense<2>(op);
    } else if (op.kind == kReal || op.kind == kTurn) {
      real(op);
    } else if (op.kind == kControlledNot) {
      sweep.controlled_not(op.wires[0] + pad_);
    } else if (op.kind == kDiagonal) {
      diagonal(op);
    } else if (op.kind == kTwo) {
      dense<4>(op);
    } else {
      pull(op);
    }
  }

  QRNN_DEVICE void bring(const Op& op) {
    if (op.high >= 0) sweep.template bring<1>(op.high + pad_);
    if (op.low >= 0) sweep.template bring<0>(op.low + pad_);
  }

  template <int side>
  QRNN_DEVICE void dense(const Op& op) {
    const auto matrix = sweep.template matrix<side>(numbers(op), true);
    Value sums[2 * side * side];
    sweep.apply(matrix, sweep.states[0]);
    sweep.template gather<side>(sums);
    sweep.apply(matrix, sweep.states[S - 1]);
    rows.template add_up<2 * side * side>(sums);
    const Lanes<T*> to = ends(op, 2 * side * side);
    QRNN_UNROLL
    for (int k = 0; k < 2 * side * side; ++k) {
      if (k >= rows.held_count(2 * side * side)) break;
      keep(op, to, k, sums[k]);
    }
  }

  // dM = w J M changes the loss by w times the sum; so does the cotangent J M sum / 2.
  QRNN_DEVICE void real(const Op& op) {
    const auto real = sweep.real(numbers(op), op.kind == kTurn);
    Value sum[1] = {sweep.turning()};
    sweep.apply(real, true, sweep.states[0]);
    sweep.apply(real, true, sweep.states[S - 1]);
    rows.template add_up<1>(sum);
    const Lanes<T*> to = ends(op, 1);
    if (op.kind == kTurn) {
      keep(op, to, 0, -real.m[1][0] * sum[0]);
      keep(op, to, 1, real.m[0][0] * sum[0]);
      return;
    }
    const Value w = team_.each([&](int thread) -> T { return Team::at(sum[0], thread) / 2; });
    QRNN_UNROLL
    for (int c = 0; c < 2; ++c) {
      keep(op, to, c, -real.m[1][c] * w);
      keep(op, to, 2 + c, real.m[0][c] * w);
    }
  }

  QRNN_DEVICE void diagonal(const Op& op) {
    const Lanes<const T*> given = numbers(op);
    const Phases<Team, R, S> phases(team_, sweep, op, pad_, given);
    Value products[1 << R];
    phases.undo(products);
    clear(op);
    phases.add_up(rows, products, starts(op));
  }

  // Re conj(psi) P psi
  QRNN_DEVICE void read(const Op& word) {
    const State& psi = sweep.states[0];
    Value sum[1] = {Value{}};
    sweep.each_image(word, [&](int r, const Value& re, const Value& im) {
      sum[0] = sum[0] + psi.re[r] * re + psi.im[r] * im;
    });
    rows.template add_up<1>(sum);
    const Lanes<T*> to = team_.each([&](int thread) -> T* {
      if (!rows.is_used(thread) || rows.held(thread, 1) < 0) return nullptr;
      return task_.reads + of_step(rows.row(thread)) * task_.word_count;
    });
    task_.wide ? team_.add(to, word.place, sum[0]) : team_.store(to, word.place, sum[0]);
  }

  // lambda += 2 slope P psi
  QRNN_DEVICE void pull(const Op& word) {
    State& lambda = sweep.states[S - 1];
    const Lanes<const T*> slopes = team_.each([&](int thread) -> const T* {
      return task_.reads_slope + (rows.sequence(thread) * task_.steps + step_) * task_.word_count;
    });
    const Value slope = team_.load(slopes, word.place), twice = slope + slope;
    sweep.each_image(word, [&](int r, const Value& re, const Value& im) {
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

  // A row's place among what there is of every step.
  QRNN_DEVICE int64_t of_step(int64_t row) const {
    return task_.wide ? row : row * task_.steps + step_;
  }

  // Where the gradient of a gate's numbers begins, in the row of a thread; null if it has none.
  QRNN_DEVICE Lanes<T*> starts(const Op& op) const {
    return team_.each([&](int thread) -> T* {
      if (op.place >= 0) {
        T* row = sums_row(thread);
        return row ? row + op.place : nullptr;
      }
      if (!rows.is_used(thread)) return nullptr;
      return task_.varying_slope + of_step(rows.row(thread)) * task_.varying_count + ~op.place;
    });
  }

  // The same for what a thread has of `count` sums after `Rows::add_up`.
  QRNN_DEVICE Lanes<T*> ends(const Op& op, int count) const {
    const Lanes<T*> start = starts(op);
    return team_.each([&](int thread) -> T* {
      const int first = rows.held(thread, count);
      T* here = Team::at(start, thread);
      return first < 0 || !here ? nullptr : here + first;
    });
  }

  // The gradient of this step, or added to that of other steps; of tiles it is always added.
  QRNN_DEVICE void keep(const Op& op, const Lanes<T*>& to, int k, const Value& x) const {
    op.place < 0 && !task_.wide ? team_.store(to, k, x) : team_.add(to, k, x);
  }

  // Phases of this step alone are added to nothing.
  QRNN_DEVICE void clear(const Op& op) const {
    if (op.place >= 0 || task_.wide) return;
    const Lanes<T*> to = starts(op);
    team_.visit([&](int thread) {
      T* here = Team::at(to, thread);
      if (!here) return;
      for (int k = thread & (rows.lanes() - 1); k < 2 << op.count; k += rows.lanes()) here[k] = 0;
    });
    team_.fence();
  }

  const Team& team_;
  const Task<T>& task_;
  T* sums_;
  int pad_;
  Lanes<const T*> fixed_, varying_;
  int64_t step_ = 0;
};

}  // namespace qrnn_cuda
