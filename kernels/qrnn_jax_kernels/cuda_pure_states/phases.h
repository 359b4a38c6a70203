// Phases on up to five wires, wherever these are, and their adjoint.
//
// Which phase a place has is told by the bits of the wires there: its pattern. Sums over the places
// of a pattern are made by the threads of a row together: all leave one number for each register, and
// each thread adds up those of one pattern, or a share of them.
#pragma once

#include "rows.h"
#include "sweep.h"

namespace qrnn_cuda {

template <typename Team, int R, int S>
class Phases {
 public:
  using T = typename Team::Number;
  using Value = typename Team::Value;
  using Numbers = typename Team::template Lanes<const T*>;
  using State = typename Sweep<Team, R, S>::State;
  template <typename X>
  using Lanes = typename Team::template Lanes<X>;

  // pad: added to the number of a wire.
  QRNN_DEVICE Phases(const Team& team, Sweep<Team, R, S>& sweep, const Op& op, int pad,
                     const Numbers& numbers)
      : team_(team), sweep_(sweep), numbers_(numbers), count_(op.count) {
    for (int j = 0; j < count_; ++j) {
      bits_ |= uint64_t(sweep.places.of(op.wires[j] + pad)) << (kBits * (count_ - 1 - j));
    }
    own_ = team.each([&](int thread) -> int { return pattern(sweep_.place(0, thread)); });
    QRNN_UNROLL
    for (int i = 0; i < R; ++i) register_[i] = pattern(1 << (sweep.thread_bits() + i));
  }

  QRNN_DEVICE void apply() const {
    State& psi = sweep_.states[0];
    QRNN_UNROLL
    for (int r = 0; r < size; ++r) {
      const Factor d = factor(r);
      turn(d.re, d.im, psi, r);
    }
  }

  // psi <- D^+ psi, lambda <- D^+ lambda; the imaginary part of lambda conj(psi) at every register.
  QRNN_DEVICE void undo(Value* products) const {
    State &psi = sweep_.states[0], &lambda = sweep_.states[S - 1];
    QRNN_UNROLL
    for (int r = 0; r < size; ++r) {
      products[r] = psi.re[r] * lambda.im[r] - psi.im[r] * lambda.re[r];
      const Factor d = factor(r);
      turn(d.re, -d.im, psi, r);
      turn(d.re, -d.im, lambda, r);
    }
  }

  // Adds the cotangents of the numbers up: dd = i w d changes the loss by w times the sum of a
  // pattern's products, and so does the cotangent i d sum. `to`: where those of a row begin.
  QRNN_DEVICE void add_up(const Rows<Team>& rows, const Value* products,
                          const Lanes<T*>& to) const {
    const int lanes = rows.lanes(), patterns = pattern_count(lanes);
    QRNN_UNROLL
    for (int half = 0; half < size; half += size / 2) {
      QRNN_UNROLL
      for (int k = 0; k < size / 2; ++k) team_.put(k, products[half + k]);
      team_.fence();
      for (int first = 0; first < patterns; first += lanes) {
        const Lanes<int> which = team_.each([&](int thread) -> int {
          return first + (thread & (lanes - 1) & (patterns - 1));
        });
        Value sum = team_.each([&](int thread) -> T {
          return total(thread, lanes, patterns, Team::at(which, thread));
        });
        for (int mask = patterns; mask < lanes; mask *= 2) {
          Value other = sum;
          team_.template swap<1>(&other, mask);
          sum += other;
        }
        keep(rows, half, lanes, patterns, which, sum, to);
      }
      team_.fence();
    }
  }

 private:
  static constexpr int size = 1 << R, kBits = 6;

  struct Factor {
    Value re, im;
  };

  // Five bits of a place, the first wire's most significant.
  QRNN_DEVICE int pattern(int place) const {
    int found = 0;
    for (int j = 0; j < count_; ++j) found |= (place >> bit(j) & 1) << j;
    return found;
  }

  QRNN_DEVICE int bit(int j) const { return static_cast<int>(bits_ >> (kBits * j) & 63); }

  QRNN_DEVICE Factor factor(int r) const {
    int more = 0;
    QRNN_UNROLL
    for (int i = 0; i < R; ++i) more |= r >> i & 1 ? register_[i] : 0;
    const Numbers at = team_.each([&](int thread) -> const T* {
      return Team::at(numbers_, thread) + 2 * (Team::at(own_, thread) | more);
    });
    return {team_.load(at, 0), team_.load(at, 1)};
  }

  static QRNN_DEVICE void turn(const Value& re, const Value& im, State& state, int r) {
    const Value x = state.re[r], y = state.im[r];
    state.re[r] = re * x - im * y;
    state.im[r] = re * y + im * x;
  }

  // Below, a slot is what a thread of a row left under a number: number and lane as bits, of which
  // those in `mask` tell patterns apart.
  QRNN_DEVICE int slot_bits(int lanes) const { return size / 2 * lanes - 1; }

  QRNN_DEVICE uint32_t mask(int lanes) const {
    uint32_t found = 0;
    for (int j = 0; j < count_; ++j) {
      const int from = bit(j), low = sweep_.thread_bits(), top = low + R - 1;
      if (from >= low && from < top) found |= uint32_t(lanes) << (from - low);
      if (from < low && 1 << from < lanes) found |= 1u << from;
    }
    return found;
  }

  QRNN_DEVICE int pattern_count(int lanes) const {
    int found = 1;
    for (uint32_t rest = mask(lanes); rest; rest &= rest - 1) found *= 2;
    return found;
  }

  // Of the thread's share of the slots of a pattern.
  QRNN_DEVICE T total(int thread, int lanes, int patterns, int which) const {
    const uint32_t chosen = mask(lanes), others = ~chosen & slot_bits(lanes);
    const uint32_t start = deposit(which, chosen);
    const int lane = thread & (lanes - 1), share = lane / patterns;
    // the lowest of the other bits tell the shares
    uint32_t rest = others;
    for (int n = patterns; n < lanes; n *= 2) rest &= rest - 1;
    const uint32_t mine = start | deposit(share, others);
    T sum = 0;
    uint32_t more = 0;
    do {
      const uint32_t slot = mine | more;
      sum += team_.peek(slot / lanes, (thread - lane) | (slot & (lanes - 1)));
      more = ((more | ~rest) + 1) & rest;
    } while (more);
    return sum;
  }

  QRNN_DEVICE void keep(const Rows<Team>& rows, int half, int lanes, int patterns,
                        const Lanes<int>& which, const Value& sum, const Lanes<T*>& to) const {
    const Lanes<int> pairs = team_.each([&](int thread) -> int {
      const uint32_t slot = deposit(Team::at(which, thread), mask(lanes));
      const int lane = thread & (lanes - 1), other = (thread - lane) | (slot & (lanes - 1));
      return 2 * pattern(sweep_.place(half | slot / lanes, other));
    });
    const Numbers at = team_.each([&](int thread) -> const T* {
      return Team::at(numbers_, thread) + Team::at(pairs, thread);
    });
    const Lanes<T*> there = team_.each([&](int thread) -> T* {
      T* start = Team::at(to, thread);
      return !start || (thread & (lanes - 1)) >= patterns ? nullptr
                                                          : start + Team::at(pairs, thread);
    });
    team_.add(there, 0, -team_.load(at, 1) * sum);
    team_.add(there, 1, team_.load(at, 0) * sum);
  }

  const Team& team_;
  Sweep<Team, R, S>& sweep_;
  const Numbers& numbers_;
  int count_;
  uint64_t bits_ = 0;  // of a place, six for each wire, the last one's lowest
  Lanes<int> own_;     // patterns of the threads, without their registers
  int register_[R];    // what the bits of a register's number add to them
};

}  // namespace qrnn_cuda
