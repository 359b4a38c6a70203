// States of a team, and gates on them: psi, and with it its cotangent lambda on the way back.
//
// A thread holds 2^R amplitudes of each state in registers; the other bits of an amplitude's place are
// those of the thread. A gate works on the lowest bits of the registers' numbers only, so its code is
// short and knows every register by name. A wire that is elsewhere first changes places with the one
// that is there, and stays: half the amplitudes of a thread go to another thread.
#pragma once

#include "places.h"
#include "task.h"

namespace qrnn_cuda {

template <typename Team, int R, int S>
class Sweep {
 public:
  using T = typename Team::Number;
  using Value = typename Team::Value;
  using Flag = typename Team::Flag;
  using Numbers = typename Team::template Lanes<const T*>;
  using Tile = typename Team::template Lanes<int>;
  static constexpr int size = 1 << R;
  static_assert(R >= 2, "a gate works on two bits of the registers' numbers");

  struct State {
    Value re[size], im[size];
  };

  State states[S];  // psi, lambda
  Places places;

  QRNN_DEVICE Sweep(const Team& team, int wires, int thread_bits)
      : places(wires), team_(team), thread_bits_(thread_bits) {
    tile_ = team.each([](int) { return 0; });
  }

  // Another tile, whose amplitudes lie as in memory.
  QRNN_DEVICE void restart(const Tile& tile) {
    tile_ = tile;
    places = Places(places.wires());
  }

  QRNN_DEVICE int tile(int thread) const { return Team::at(tile_, thread); }

  QRNN_DEVICE int thread_bits() const { return thread_bits_; }

  QRNN_DEVICE int place(int r, int thread) const {
    const int own = r << thread_bits_ | (thread & ((1 << thread_bits_) - 1));
    return tile(thread) << (thread_bits_ + R) | own;
  }

  // Moves a wire to a bit of the registers' numbers.
  template <int slot>
  QRNN_DEVICE void bring(int wire) {
    const int from = places.of(wire), to = thread_bits_ + slot;
    if (from == to) return;
    places.swap(wire, to);
    from >= thread_bits_ ? rename<slot>(from - thread_bits_) : exchange<slot>(from);
  }

  // The target is at bit 0.
  QRNN_DEVICE void controlled_not(int control) {
    const int bit = places.of(control);
    QRNN_UNROLL
    for (int r = 0; r < size; r += 2) {
      const Flag flag = is_set(bit, r);
      QRNN_UNROLL
      for (int s = 0; s < S; ++s) {
        swap_where(flag, states[s].re[r], states[s].re[r + 1]);
        swap_where(flag, states[s].im[r], states[s].im[r + 1]);
      }
    }
  }

  // y(b) = sum_c M[b][c] x(c), or by the adjoint of M; b the lowest bits of a register's number.
  template <int side>
  struct Matrix {
    Value re[side][side], im[side][side];
  };

  template <int side>
  QRNN_DEVICE Matrix<side> matrix(const Numbers& numbers, bool adjoint) const {
    Matrix<side> m;
    QRNN_UNROLL
    for (int b = 0; b < side; ++b) {
      QRNN_UNROLL
      for (int c = 0; c < side; ++c) {
        const int at = adjoint ? 2 * (c * side + b) : 2 * (b * side + c);
        const Value im = team_.load(numbers, at + 1);
        m.re[b][c] = team_.load(numbers, at);
        m.im[b][c] = adjoint ? -im : im;
      }
    }
    return m;
  }

  template <int side>
  QRNN_DEVICE void apply(const Matrix<side>& m, State& state) const {
    QRNN_UNROLL
    for (int first = 0; first < size; first += side) {
      Value re[side], im[side];
      QRNN_UNROLL
      for (int b = 0; b < side; ++b) {
        re[b] = im[b] = Value{};
        QRNN_UNROLL
        for (int c = 0; c < side; ++c) {
          const Value x = state.re[first + c], y = state.im[first + c];
          re[b] = re[b] + m.re[b][c] * x - m.im[b][c] * y;
          im[b] = im[b] + m.re[b][c] * y + m.im[b][c] * x;
        }
      }
      QRNN_UNROLL
      for (int b = 0; b < side; ++b) {
        state.re[first + b] = re[b];
        state.im[first + b] = im[b];
      }
    }
  }

  // sums[b][c] = lambda(b) conj(psi(c)), re and im in turn.
  template <int side>
  QRNN_DEVICE void gather(Value* sums) const {
    QRNN_UNROLL
    for (int k = 0; k < 2 * side * side; ++k) sums[k] = Value{};
    QRNN_UNROLL
    for (int r = 0; r < size; ++r) {
      QRNN_UNROLL
      for (int c = 0; c < side; ++c) {
        const int k = 2 * ((r % side) * side + c);
        add_product(r, r / side * side + c, sums[k], sums[k + 1]);
      }
    }
  }

  // A real matrix on the wire at bit 0: its rows, or c and s of [[c, -s], [s, c]].
  struct Real {
    Value m[2][2];
  };

  QRNN_DEVICE Real real(const Numbers& numbers, bool is_turn) const {
    const Value x = team_.load(numbers, 0), y = team_.load(numbers, 1);
    if (is_turn) return {{{x, -y}, {y, x}}};
    return {{{x, y}, {team_.load(numbers, 2), team_.load(numbers, 3)}}};
  }

  static QRNN_DEVICE void apply(const Real& real, bool adjoint, State& state) {
    const Value one = adjoint ? real.m[1][0] : real.m[0][1];
    const Value other = adjoint ? real.m[0][1] : real.m[1][0];
    QRNN_UNROLL
    for (int r = 0; r < size; r += 2) {
      mix(real, one, other, state.re[r], state.re[r + 1]);
      mix(real, one, other, state.im[r], state.im[r + 1]);
    }
  }

  // lambda . J psi, J a turn by 90 degrees: all that can matter of an orthogonal matrix.
  QRNN_DEVICE Value turning() const {
    const State &psi = states[0], &lambda = states[S - 1];
    Value sum{};
    QRNN_UNROLL
    for (int r = 0; r < size; r += 2) {
      sum = sum + psi.re[r] * lambda.re[r + 1] + psi.im[r] * lambda.im[r + 1];
      sum = sum - psi.re[r + 1] * lambda.re[r] - psi.im[r + 1] * lambda.im[r];
    }
    return sum;
  }

  // |psi|^2 of the thread's own amplitudes.
  QRNN_DEVICE Value norm() const {
    Value sum{};
    QRNN_UNROLL
    for (int r = 0; r < size; ++r) {
      sum = sum + states[0].re[r] * states[0].re[r] + states[0].im[r] * states[0].im[r];
    }
    return sum;
  }

  QRNN_DEVICE void scale(const Value& by) {
    QRNN_UNROLL
    for (int s = 0; s < S; ++s) {
      QRNN_UNROLL
      for (int r = 0; r < size; ++r) {
        states[s].re[r] = states[s].re[r] * by;
        states[s].im[r] = states[s].im[r] * by;
      }
    }
  }

  // visit(r, re, im) with P psi at every register; the flipped wire, if any, is at bit 0.
  template <typename F>
  QRNN_DEVICE void each_image(const Op& word, F visit) const {
    const State& psi = states[0];
    const bool flips = word.low >= 0;
    const int signs = places.mask(word.signs);
    QRNN_UNROLL
    for (int r = 0; r < size; ++r) {
      const Flag negative = team_.each([&](int thread) -> bool {
        return odd(place(flips ? r ^ 1 : r, thread) & signs) != (word.power >> 1 & 1);
      });
      const Value x = flips ? psi.re[r ^ 1] : psi.re[r], y = flips ? psi.im[r ^ 1] : psi.im[r];
      const Value re = word.power & 1 ? -y : x, im = word.power & 1 ? x : y;
      visit(r, choose(negative, -re, re), choose(negative, -im, im));
    }
  }

 private:
  // A bit of a place, in every thread.
  QRNN_DEVICE Flag is_set(int bit, int r) const {
    return team_.each([&](int thread) -> bool { return place(r, thread) >> bit & 1; });
  }

  static QRNN_DEVICE void swap_where(const Flag& flag, Value& a, Value& b) {
    const Value old = a;
    a = choose(flag, b, a);
    b = choose(flag, old, b);
  }

  static QRNN_DEVICE void mix(const Real& real, const Value& one, const Value& other, Value& x,
                              Value& z) {
    const Value y = real.m[0][0] * x + one * z;
    z = other * x + real.m[1][1] * z;
    x = y;
  }

  // lambda(b) conj(psi(c))
  QRNN_DEVICE void add_product(int b, int c, Value& re, Value& im) const {
    const State &psi = states[0], &lambda = states[S - 1];
    re = re + lambda.re[b] * psi.re[c] + lambda.im[b] * psi.im[c];
    im = im + lambda.im[b] * psi.re[c] - lambda.re[b] * psi.im[c];
  }

  // Two bits of the registers' numbers change places.
  template <int slot>
  QRNN_DEVICE void rename(int bit) {
    QRNN_UNROLL
    for (int other = 0; other < R; ++other) {
      if (other == slot || other != bit) continue;
      QRNN_UNROLL
      for (int r = 0; r < size; ++r) {
        if (!(r >> slot & 1) || r >> other & 1) continue;
        const int to = r ^ 1 << slot ^ 1 << other;
        QRNN_UNROLL
        for (int s = 0; s < S; ++s) {
          swap_both(states[s].re[r], states[s].re[to]);
          swap_both(states[s].im[r], states[s].im[to]);
        }
      }
    }
  }

  static QRNN_DEVICE void swap_both(Value& a, Value& b) {
    const Value old = a;
    a = b;
    b = old;
  }

  // A bit of the registers' numbers and one of the threads' change places.
  template <int slot>
  QRNN_DEVICE void exchange(int bit) {
    const Flag flag = is_set(bit, 0);
    QRNN_UNROLL
    for (int s = 0; s < S; ++s) {
      exchange<slot>(flag, 1 << bit, states[s].re);
      exchange<slot>(flag, 1 << bit, states[s].im);
    }
  }

  // A thread keeps the half where both bits agree.
  template <int slot>
  QRNN_DEVICE void exchange(const Flag& flag, int mask, Value* x) const {
    Value sent[size / 2];
    QRNN_UNROLL
    for (int k = 0; k < size / 2; ++k) {
      const int r = with_zero(k, slot);
      sent[k] = choose(flag, x[r], x[r | 1 << slot]);
    }
    team_.template swap<size / 2>(sent, mask);
    QRNN_UNROLL
    for (int k = 0; k < size / 2; ++k) {
      const int r = with_zero(k, slot);
      x[r] = choose(flag, sent[k], x[r]);
      x[r | 1 << slot] = choose(flag, x[r | 1 << slot], sent[k]);
    }
  }

  // The k-th number that has 0 at a bit.
  static QRNN_DEVICE int with_zero(int k, int bit) {
    return (k >> bit << (bit + 1)) | (k & ((1 << bit) - 1));
  }

  const Team& team_;
  int thread_bits_;
  Tile tile_;
};

}  // namespace qrnn_cuda
