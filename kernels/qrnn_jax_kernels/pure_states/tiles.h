// Several gates in one pass over a state, and their adjoints.
//
// A pass copies each tile (see shape.h) to the first cache, applies all gates there and puts it back.
// In lanes where the bit of a wire is the other way round, coefficients change their places instead.
#pragma once

#include <algorithm>
#include <vector>

#include "gates.h"
#include "shape.h"
#include "workers.h"

namespace qrnn {

// Places of a tile in the first cache.
template <typename T>
struct InCache {
  using C = Complex<T>;
  C* tile;

  QRNN_INLINE C get(int i) const { return tile[i]; }
  QRNN_INLINE void put(int i, C x) const { tile[i] = x; }
};

// The same places in the state: the first of a tile's rows has the place `number`.
template <typename T, bool mixes>
struct InState {
  using C = Complex<T>;
  C* state;
  const Shape& shape;
  int64_t row;
  int number;

  QRNN_INLINE C get(int i) const { return moved(state[row ^ shape.row(i, number)], i); }
  QRNN_INLINE void put(int i, C x) const { state[row ^ shape.row(i, number)] = moved(x, i); }

 private:
  QRNN_INLINE C moved(C x, int i) const {
    if (!mixes) return x;
    const int lanes = shape.lanes(i, number);
    return {Lanes<T>::swapped(x.re, lanes), Lanes<T>::swapped(x.im, lanes)};
  }
};

// A gate on one wire of a tile; `real` ones are orthogonal matrices.
template <typename T>
class Turn {
 public:
  using C = Complex<T>;

  void set(const Numbered<T>& given, int bit, int lane_value, bool adjoint) {
    given_ = given;
    half = 1 << bit;
    real = given.gate->kind == kReal;
    lanes_tell_ = lane_value;
    odd_ = Lanes<T>::odd(lane_value);
    for (int b = 0; b < 2; ++b) {
      for (int c = 0; c < 2; ++c) {
        auto entry = [&](int x) {
          return adjoint ? conj(given.number(c ^ x, b ^ x)) : given.number(b ^ x, c ^ x);
        };
        matrix_[b][c] = lanes_tell_ ? select<T>(odd_, entry(1), entry(0)) : entry(0);
        sum_[b][c] = C{};
      }
    }
  }

  // The matrix and the sums of cotangents, in registers while places are visited.
  template <bool complex>
  struct Held {
    C xx, xz, zx, zz;  // the matrix
    C sxx{}, sxz{}, szx{}, szz{};

    QRNN_INLINE void apply(C& x, C& z) const {
      C y = first(xx, x), u = first(zz, z);
      more(y, xz, z);
      more(u, zx, x);
      x = y;
      z = u;
    }

    // psi is x, z; lambda is k, l. A real gate turns: lambda . J psi is all that there is, J of a
    // turn by 90 degrees.
    QRNN_INLINE void undo(C& x, C& z, C& k, C& l) {
      if constexpr (complex) {
        apply(x, z);
        add_conj_times(sxx, x, k);
        add_conj_times(sxz, z, k);
        add_conj_times(szx, x, l);
        add_conj_times(szz, z, l);
      } else {
        sxx.re += x.re * l.re;
        sxx.re += x.im * l.im;
        sxx.re -= z.re * k.re;
        sxx.re -= z.im * k.im;
        apply(x, z);
      }
      apply(k, l);
    }

   private:
    QRNN_INLINE static C first(C m, C x) {
      return complex ? times(m, x) : C{m.re * x.re, m.re * x.im};
    }

    QRNN_INLINE static void more(C& y, C m, C x) {
      if constexpr (complex) return add_times(y, m, x);
      y.re += m.re * x.re;
      y.im += m.re * x.im;
    }
  };

  template <bool complex>
  QRNN_INLINE Held<complex> hold() const {
    return {matrix_[0][0], matrix_[0][1], matrix_[1][0], matrix_[1][1]};
  }

  template <bool complex>
  QRNN_INLINE void release(const Held<complex>& held) {
    add(sum_[0][0], held.sxx);
    if (!complex) return;
    add(sum_[0][1], held.sxz);
    add(sum_[1][0], held.szx);
    add(sum_[1][1], held.szz);
  }

  void add_sums(const Turn& part) {
    for (int b = 0; b < 2; ++b) {
      for (int c = 0; c < 2; ++c) add(sum_[b][c], part.sum_[b][c]);
    }
  }

  void settle() const { real ? settle_real() : settle_complex(); }

  int half;  // distance of two places that are mixed
  bool real;

 private:
  void settle_complex() const {
    for (int b = 0; b < 2; ++b) {
      for (int c = 0; c < 2; ++c) {
        const C there = sum_[b][c], other = sum_[b ^ 1][c ^ 1];
        given_.add_to(b, c, lanes_tell_ ? select<T>(odd_, other, there) : there);
      }
    }
  }

  // dM = w J M changes the loss by w times the sum; so does the cotangent J M sum / 2.
  void settle_real() const {
    C half = sum_[0][0];
    half.re = (odd_ ? -half.re : half.re) * T(0.5);
    for (int c = 0; c < 2; ++c) {
      given_.add_to(0, c, C{-half.re * given_.number(1, c).re, {}});
      given_.add_to(1, c, C{half.re * given_.number(0, c).re, {}});
    }
  }

  Numbered<T> given_;
  bool lanes_tell_;
  typename Lanes<T>::Index odd_;
  C matrix_[2][2], sum_[2][2];
};

// One turn, or two turns of a kind on different wires at once.
template <typename T>
class Turns {
 public:
  using C = Complex<T>;

  Turns(Turn<T>* first, Turn<T>* second) : first_(first), second_(second) {}

  template <typename From, typename To>
  void forward(const From& psi, const To& to, int places) const {
    if (second_) {
      first_->real ? two<false>(psi, to, places) : two<true>(psi, to, places);
    } else {
      first_->real ? one<false>(psi, to, places) : one<true>(psi, to, places);
    }
  }

  // Undoes turns that were set to be the adjoint ones.
  template <typename From, typename To>
  void backward(const From& psi, const From& lambda, const To& to, const To& lambda_to,
                int places) const {
    if (second_) {
      first_->real ? two_back<false>(psi, lambda, to, lambda_to, places)
                   : two_back<true>(psi, lambda, to, lambda_to, places);
    } else {
      first_->real ? one_back<false>(psi, lambda, to, lambda_to, places)
                   : one_back<true>(psi, lambda, to, lambda_to, places);
    }
  }

 private:
  template <typename F>
  QRNN_INLINE void pairs(int places, F&& visit) const {
    const int half = first_->half;
    for (int start = 0; start < places; start += 2 * half) {
      for (int i = start; i < start + half; ++i) visit(i, i + half);
    }
  }

  // visit(i, with the first bit set, with the second, with both)
  template <typename F>
  QRNN_INLINE void fours(int places, F&& visit) const {
    const int f = first_->half, s = second_->half, low = std::min(f, s), high = std::max(f, s);
    for (int outer = 0; outer < places; outer += 2 * high) {
      for (int inner = outer; inner < outer + high; inner += 2 * low) {
        for (int i = inner; i < inner + low; ++i) visit(i, i + f, i + s, i + f + s);
      }
    }
  }

  template <bool complex, typename From, typename To>
  void one(const From& psi, const To& to, int places) const {
    const auto turn = first_->template hold<complex>();
    pairs(places, [&](int i, int j) QRNN_INLINE {
      C x = psi.get(i), z = psi.get(j);
      turn.apply(x, z);
      to.put(i, x);
      to.put(j, z);
    });
  }

  template <bool complex, typename From, typename To>
  void one_back(const From& psi, const From& lambda, const To& to, const To& lambda_to,
                int places) const {
    auto turn = first_->template hold<complex>();
    pairs(places, [&](int i, int j) QRNN_INLINE {
      C x = psi.get(i), z = psi.get(j), k = lambda.get(i), l = lambda.get(j);
      turn.undo(x, z, k, l);
      to.put(i, x);
      to.put(j, z);
      lambda_to.put(i, k);
      lambda_to.put(j, l);
    });
    first_->release(turn);
  }

  template <bool complex, typename From, typename To>
  void two(const From& psi, const To& to, int places) const {
    const auto first = first_->template hold<complex>();
    const auto second = second_->template hold<complex>();
    fours(places, [&](int i, int f, int s, int b) QRNN_INLINE {
      C x = psi.get(i), y = psi.get(f), z = psi.get(s), u = psi.get(b);
      first.apply(x, y);
      first.apply(z, u);
      second.apply(x, z);
      second.apply(y, u);
      to.put(i, x);
      to.put(f, y);
      to.put(s, z);
      to.put(b, u);
    });
  }

  template <bool complex, typename From, typename To>
  void two_back(const From& psi, const From& lambda, const To& to, const To& lambda_to,
                int places) const {
    auto first = first_->template hold<complex>();
    auto second = second_->template hold<complex>();
    fours(places, [&](int i, int f, int s, int b) QRNN_INLINE {
      C x = psi.get(i), y = psi.get(f), z = psi.get(s), u = psi.get(b);
      C k = lambda.get(i), l = lambda.get(f), m = lambda.get(s), n = lambda.get(b);
      first.undo(x, y, k, l);
      first.undo(z, u, m, n);
      second.undo(x, z, k, m);
      second.undo(y, u, l, n);
      to.put(i, x);
      to.put(f, y);
      to.put(s, z);
      to.put(b, u);
      lambda_to.put(i, k);
      lambda_to.put(f, l);
      lambda_to.put(s, m);
      lambda_to.put(b, n);
    });
    first_->release(first);
    second_->release(second);
  }

  Turn<T>* first_;
  Turn<T>* second_;
};

// Phases on the wires of a tile.
template <typename T>
class Phases {
 public:
  using L = Lanes<T>;
  using C = Complex<T>;

  // Bits as `Shape::any` tells them, of the wires in order.
  void set(const Numbered<T>& given, const int* bits, const Shape& shape, bool adjoint) {
    given_ = given;
    count_ = given.gate->count;
    for (int i = 0; i < kTilePlaces; ++i) pattern_[i] = 0;
    for (int& change : changes_) change = 0;
    for (int k = 0; k < count_; ++k) {
      bits_[k] = bits[k];
      const int own = 1 << (count_ - 1 - k), lanes = shape.lane_value(bits[k]);
      for (int m = 0; m < L::bits; ++m) changes_[m] |= lanes >> m & 1 ? own : 0;
      if (bits[k] >= kTileWires) continue;
      for (int i = 0; i < shape.places(); ++i) pattern_[i] |= i >> bits[k] & 1 ? own : 0;
    }
    for (int b = 0; b < 1 << count_; ++b) factor_[b] = given.number(b, b);
    exchange(factor_);
    if (adjoint) {
      for (int b = 0; b < 1 << count_; ++b) sum_[b] = C{};
    }
  }

  template <typename From, typename To>
  void forward(const From& psi, const To& to, int places, int still) const {
    const int rest = still_pattern(still);
    for (int i = 0; i < places; ++i) to.put(i, times(factor_[pattern_[i] | rest], psi.get(i)));
  }

  // Undoes the phases.
  template <typename From, typename To>
  void backward(const From& psi, const From& lambda, const To& to, const To& lambda_to, int places,
                int still) {
    const int rest = still_pattern(still);
    for (int i = 0; i < places; ++i) {
      const int b = pattern_[i] | rest;
      const C d = factor_[b], x = psi.get(i), k = lambda.get(i);
      sum_[b].re += x.re * k.im;
      sum_[b].re -= x.im * k.re;
      to.put(i, conj_times(d, x));
      lambda_to.put(i, conj_times(d, k));
    }
  }

  void add_sums(const Phases& part) {
    for (int b = 0; b < 1 << count_; ++b) add(sum_[b], part.sum_[b]);
  }

  // dd = i w d changes the loss by w times the sum; so does the cotangent i d sum.
  void settle() {
    exchange(sum_);
    for (int b = 0; b < 1 << count_; ++b) {
      const C d = given_.number(b, b);
      given_.add_to(b, b, {-d.im * sum_[b].re, d.re * sum_[b].re});
    }
  }

 private:
  int still_pattern(int still) const {
    int found = 0;
    for (int k = 0; k < count_; ++k) {
      if (bits_[k] >= kTileWires) found |= (still >> bits_[k] & 1) << (count_ - 1 - k);
    }
    return found;
  }

  // Numbers of bits b change places with those of the bits that b has in a lane.
  void exchange(C* numbers) const {
    for (int m = 0; m < L::bits; ++m) {
      const int change = changes_[m];
      if (!change) continue;
      const auto odd = L::odd(1 << m);
      for (int b = 0; b < 1 << count_; ++b) {
        if ((b ^ change) < b) continue;
        const C x = numbers[b], z = numbers[b ^ change];
        numbers[b] = select<T>(odd, z, x);
        numbers[b ^ change] = select<T>(odd, x, z);
      }
    }
  }

  Numbered<T> given_;
  int count_;
  int bits_[kMostWires];
  int changes_[L::bits];  // for each bit of a lane, the bits that are the other way round
  int pattern_[kTilePlaces];
  C factor_[1 << kMostWires], sum_[1 << kMostWires];
};

// A run of gates in one pass, in the order of a run or of a run backward.
template <typename T>
class Pass {
 public:
  using C = Complex<T>;

  Pass(Layout layout, bool adjoint) : shape_(layout), adjoint_(adjoint) {}

  void open() {
    shape_.clear();
    turns_ = phases_ = steps_ = 0;
  }

  bool empty() const { return !steps_; }

  // Whether the gate can join, which it does.
  bool take(const Numbered<T>& given, const Labels& labels) {
    const Gate& gate = *given.gate;
    if (gate.kind == kControlledNot) return false;
    if (gate.kind == kDiagonal) return take_phases(given, labels);
    if (gate.count != 1 || turns_ == kTurns || !shape_.span(gate.wires[0], labels)) return false;
    const int bit = shape_.spanning(gate.wires[0]);
    turn_[turns_].set(given, bit, shape_.lane_value(bit), adjoint_);
    if (joins_last()) {
      step_[steps_ - 1].second = turns_;
    } else {
      step_[steps_++] = {true, turns_, -1};
    }
    ++turns_;
    return true;
  }

  void forward(C* psi, const Workers& workers) {
    close();
    shape_.mixes_lanes() ? run<true>(psi, workers) : run<false>(psi, workers);
  }

  // Undoes them; the cotangents of the gates' numbers are added to their sums.
  void backward(C* psi, C* lambda, const Workers& workers) {
    close();
    shape_.mixes_lanes() ? run<true>(psi, lambda, workers) : run<false>(psi, lambda, workers);
    for (int i = 0; i < turns_; ++i) turn_[i].settle();
    for (int i = 0; i < phases_; ++i) phase_[i].settle();
  }

 private:
  static constexpr int kTurns = 16, kPhases = 4, kParts = 16;
  static constexpr int64_t kWide = 1 << 14;  // rows that are worth several threads

  // One or two turns, or phases.
  struct Step {
    bool turns;
    int first, second;
  };

  // Whether the newest turn can be made together with the one before.
  bool joins_last() const {
    if (!steps_ || !step_[steps_ - 1].turns || step_[steps_ - 1].second >= 0) return false;
    const Turn<T>&last = turn_[step_[steps_ - 1].first], &own = turn_[turns_];
    return last.half != own.half && last.real == own.real;
  }

  bool take_phases(const Numbered<T>& given, const Labels& labels) {
    if (phases_ == kPhases) return false;
    for (int k = 0; k < given.gate->count; ++k) {
      bits_[phases_][k] = shape_.any(given.gate->wires[k], labels);
      if (bits_[phases_][k] < 0) return false;
    }
    step_[steps_++] = {false, phases_, -1};
    waiting_[phases_++] = given;
    return true;
  }

  // Which phases belong to which places is known when all wires are.
  void close() {
    for (int i = 0; i < phases_; ++i) phase_[i].set(waiting_[i], bits_[i], shape_, adjoint_);
  }

  // task(pass, from, to) for all tiles; of wide states in parts, each with a copy of the pass, whose
  // sums are then added in order.
  template <typename F>
  void each_part(const Workers& workers, F&& task) {
    const int64_t tiles = shape_.tiles();
    if (workers.alone() || tiles * shape_.places() < kWide) return task(*this, 0, tiles);
    std::vector<Pass> parts(kParts, *this);
    workers.run(kParts, [&](int64_t part) {
      task(parts[part], tiles * part / kParts, tiles * (part + 1) / kParts);
    });
    for (const Pass& part : parts) {
      for (int i = 0; i < turns_; ++i) turn_[i].add_sums(part.turn_[i]);
      for (int i = 0; i < phases_; ++i) phase_[i].add_sums(part.phase_[i]);
    }
  }

  template <bool mixes>
  void run(C* psi, const Workers& workers) {
    each_part(workers, [&](Pass& own, int64_t from, int64_t to) {
      own.shape_.each(from, to, [&](int64_t row, int number, int still) {
        own.apply_all(InState<T, mixes>{psi, own.shape_, row, number}, still);
      });
    });
  }

  template <bool mixes>
  void run(C* psi, C* lambda, const Workers& workers) {
    each_part(workers, [&](Pass& own, int64_t from, int64_t to) {
      own.shape_.each(from, to, [&](int64_t row, int number, int still) {
        own.undo_all(InState<T, mixes>{psi, own.shape_, row, number},
                     InState<T, mixes>{lambda, own.shape_, row, number}, still);
      });
    });
  }

  template <typename State>
  void apply_all(const State& psi, int still) {
    const InCache<T> tile{tile_};
    const int last = steps_ - 1;
    if (!last) return apply(step_[0], still, psi, psi);
    apply(step_[0], still, psi, tile);
    for (int s = 1; s < last; ++s) apply(step_[s], still, tile, tile);
    apply(step_[last], still, tile, psi);
  }

  template <typename State>
  void undo_all(const State& psi, const State& lambda, int still) {
    const InCache<T> tile{tile_}, other{other_};
    const int last = steps_ - 1;
    if (!last) return undo(step_[0], still, psi, lambda, psi, lambda);
    undo(step_[0], still, psi, lambda, tile, other);
    for (int s = 1; s < last; ++s) undo(step_[s], still, tile, other, tile, other);
    undo(step_[last], still, tile, other, psi, lambda);
  }

  Turns<T> turns(Step step) {
    return {&turn_[step.first], step.second < 0 ? nullptr : &turn_[step.second]};
  }

  template <typename From, typename To>
  void apply(Step step, int still, const From& psi, const To& to) {
    const int places = shape_.places();
    step.turns ? turns(step).forward(psi, to, places)
               : phase_[step.first].forward(psi, to, places, still);
  }

  template <typename From, typename To>
  void undo(Step step, int still, const From& psi, const From& lambda, const To& to,
            const To& lambda_to) {
    const int places = shape_.places();
    step.turns ? turns(step).backward(psi, lambda, to, lambda_to, places)
               : phase_[step.first].backward(psi, lambda, to, lambda_to, places, still);
  }

  Shape shape_;
  bool adjoint_;
  int turns_ = 0, phases_ = 0, steps_ = 0;
  Step step_[kTurns + kPhases];
  Turn<T> turn_[kTurns];
  Phases<T> phase_[kPhases];
  Numbered<T> waiting_[kPhases];
  int bits_[kPhases][kMostWires];
  C tile_[kTilePlaces], other_[kTilePlaces];
};

}  // namespace qrnn
