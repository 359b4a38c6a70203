// All steps of a group of sequences that share registers, forward and in reverse.
//
// Forward, a group's state runs through all steps. Backward, the state and its cotangent run through
// them in reverse: gates are undone, so nothing is stored.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "../shared/workers.h"
#include "pass.h"
#include "words.h"

namespace qrnn {

// What does not depend on numbers.
struct Program {
  int wires;
  std::vector<Gate> gates;
  size_t read;  // how many gates come before the read-out
  std::vector<Word> words;
};

// Sizes: B sequences of T steps. `fixed` and `start` may be shared by all sequences.
struct Sizes {
  int64_t batch, steps, fixed, varying, fixed_batch, start_batch;
};

template <typename T>
struct Arrays {
  const T *fixed, *varying, *start;     // (1 or B, F), (B, T, V), (1 or B, 2^n, 2)
  T *reads, *last;                      // (B, T, W), (B, 2^n, 2)
  const T *reads_slope, *last_slope;    // as reads, last: the cotangents
  T *fixed_slope, *varying_slope, *start_slope;  // (B, F), (B, T, V), (B, 2^n, 2)
};

constexpr int64_t kCache = 131072;  // bytes: in the second one, with room
constexpr int64_t kSteady = 16;     // steps between two looks at the norm

// B sequences in groups of 2^batch_bits, each with 2^amplitude_bits lanes. A state and its cotangent
// are to stay in the second cache, if the batch is large enough for every thread.
template <typename T>
struct Grouping {
  int batch_bits, amplitude_bits;
  int64_t count;

  Grouping(int wires, int64_t batch, int64_t threads) {
    const int bits = Lanes<T>::bits;
    const int64_t share = (batch + threads - 1) / std::max<int64_t>(threads, 1);
    const int64_t state = int64_t{2 * sizeof(T)} << wires;
    batch_bits = std::max(0, bits - wires);
    auto fits = [&](int64_t count) { return count <= share && 2 * count * state <= kCache; };
    while (batch_bits < bits && fits(int64_t{2} << batch_bits)) ++batch_bits;
    amplitude_bits = bits - batch_bits;
    count = (batch + (int64_t{1} << batch_bits) - 1) >> batch_bits;
  }
};

template <typename T>
class Group {
 public:
  using L = Lanes<T>;
  using Vec = typename L::Vec;
  using C = Complex<T>;

  Group(const Program& program, const Sizes& sizes, const Arrays<T>& arrays,
        const Grouping<T>& grouping, int64_t index, Workers workers)
      : program_(program),
        workers_(workers),
        sizes_(sizes),
        arrays_(arrays),
        layout_{program.wires, grouping.amplitude_bits},
        labels_(program.wires),
        gates_(layout_),
        pass_(layout_, false),
        back_(layout_, true),
        words_(layout_, program.words),
        psi_(block<C>(layout_.rows())),
        fixed_(block<Vec>(sizes.fixed)),
        varying_(block<Vec>(sizes.varying)) {
    for (int l = 0; l < L::count; ++l) {
      const int64_t s = (index << grouping.batch_bits) + (l >> grouping.amplitude_bits);
      used_[l] = s < sizes.batch;
      sequence_[l] = std::min(s, sizes.batch - 1);
    }
    for (int64_t k = 0; k < sizes.fixed; ++k) {
      for (int l = 0; l < L::count; ++l) {
        const int64_t row = sizes.fixed_batch == 1 ? 0 : sequence_[l];
        fixed_[k][l] = arrays.fixed[row * sizes.fixed + k];
      }
    }
  }

  void forward() {
    load(arrays_.start, sizes_.start_batch, psi_.get());
    norms_ = norms();
    for (int64_t t = 0; t < sizes_.steps; ++t) {
      load_step(t);
      forward(0, program_.read);
      for (int64_t w = 0; w < words_.count(); ++w) {
        const Vec read = words_.read(w, labels_, psi_.get()) * missing_ * missing_;
        store_sum(read, arrays_.reads, sizes_.steps * words_.count(), t * words_.count() + w);
      }
      forward(program_.read, program_.gates.size());
      steady(sizes_.steps - 1 - t);
    }
    store(psi_.get(), arrays_.last);
  }

  void backward() {
    lambda_ = block<C>(layout_.rows());
    fixed_sum_ = block<Vec>(sizes_.fixed);
    varying_sum_ = block<Vec>(sizes_.varying);
    std::fill_n(fixed_sum_.get(), sizes_.fixed, Vec{});
    load(arrays_.start, sizes_.start_batch, psi_.get());
    load(arrays_.last_slope, sizes_.batch, lambda_.get());
    norms_ = norms();
    for (int64_t t = sizes_.steps - 1; t >= 0; --t) {
      load_step(t);
      std::fill_n(varying_sum_.get(), sizes_.varying, Vec{});
      backward(program_.read, program_.gates.size());
      pull_reads(t);
      backward(0, program_.read);
      steady(t);
      for (int64_t k = 0; k < sizes_.varying; ++k) {
        store_sum(varying_sum_[k], arrays_.varying_slope, sizes_.steps * sizes_.varying,
                  t * sizes_.varying + k);
      }
    }
    for (int64_t k = 0; k < sizes_.fixed; ++k) {
      store_sum(fixed_sum_[k], arrays_.fixed_slope, sizes_.fixed, k);
    }
    store(lambda_.get(), arrays_.start_slope);
  }

 private:
  // The gates from `first` up to `last`, several in one pass where they fit.
  void forward(size_t first, size_t last) {
    while (first < last) {
      pass_.open();
      while (first < last && pass_.take(numbered(first), labels_)) ++first;
      if (!pass_.empty()) {
        pass_.forward(psi_.get(), missing_, workers_);
      } else if (!relabelled(program_.gates[first])) {
        gates_.forward(numbered(first++), labels_, psi_);
      } else {
        ++first;
      }
    }
  }

  // The same gates from the last one to the first.
  void backward(size_t first, size_t last) {
    while (first < last) {
      back_.open();
      while (first < last && back_.take(numbered(last - 1), labels_)) --last;
      if (!back_.empty()) {
        back_.backward(psi_.get(), lambda_.get(), missing_, workers_);
      } else if (!relabelled(program_.gates[last - 1])) {
        gates_.backward(numbered(--last), labels_, psi_, lambda_, missing_);
      } else {
        --last;
      }
    }
  }

  bool relabelled(const Gate& gate) {
    if (gate.kind != kControlledNot) return false;
    labels_.controlled_not(gate.wires[0], gate.wires[1]);
    return true;
  }

  Numbered<T> numbered(size_t index) const {
    const Gate& gate = program_.gates[index];
    Vec* sums = gate.varies ? varying_sum_.get() : fixed_sum_.get();
    const Vec* numbers = gate.varies ? varying_.get() : fixed_.get();
    return {&gate, numbers + gate.offset, sums ? sums + gate.offset : nullptr};
  }

  void pull_reads(int64_t t) {
    const int64_t count = words_.count();
    for (int64_t w = 0; w < count; ++w) {
      Vec slope;
      for (int l = 0; l < L::count; ++l) {
        slope[l] = arrays_.reads_slope[(sequence_[l] * sizes_.steps + t) * count + w];
      }
      words_.pull(w, slope, labels_, psi_.get(), lambda_.get());
    }
  }

  void load_step(int64_t t) {
    for (int64_t k = 0; k < sizes_.varying; ++k) {
      for (int l = 0; l < L::count; ++l) {
        varying_[k][l] = arrays_.varying[(sequence_[l] * sizes_.steps + t) * sizes_.varying + k];
      }
    }
  }

  // visit(row, lane, index of the amplitude there)
  template <typename F>
  void each_amplitude(F&& visit) const {
    int64_t lanes[L::count], grows[64], index = 0;  // grows[k]: from row 2^k - 1 to row 2^k
    for (int l = 0; l < L::count; ++l) lanes[l] = labels_.index(l & layout_.low());
    for (int k = 0; k < layout_.wires - layout_.amplitude_bits; ++k) {
      grows[k] = labels_.index(((int64_t{2} << k) - 1) << layout_.amplitude_bits);
    }
    for (int64_t r = 0; r < layout_.rows(); ++r) {
      if (r) index ^= grows[__builtin_ctzll(r)];
      for (int l = 0; l < L::count; ++l) visit(r, l, index ^ lanes[l]);
    }
  }

  void load(const T* from, int64_t batch, C* state) const {
    const int64_t size = int64_t{2} << layout_.wires;
    each_amplitude([&](int64_t r, int l, int64_t index) {
      const T* at = from + (batch == 1 ? 0 : sequence_[l]) * size + 2 * index;
      state[r].re[l] = at[0];
      state[r].im[l] = at[1];
    });
  }

  void store(const C* state, T* to) const {
    const int64_t size = int64_t{2} << layout_.wires;
    each_amplitude([&](int64_t r, int l, int64_t index) {
      if (!used_[l]) return;
      T* at = to + sequence_[l] * size + 2 * index;
      at[0] = state[r].re[l];
      at[1] = state[r].im[l];
    });
  }

  // |psi|^2 of the lane's sequence, in every lane.
  std::array<double, L::count> norms() const {
    constexpr int64_t kRun = 64;  // rows that are summed in the state's own precision
    std::array<double, L::count> found{}, whole{};
    for (int64_t first = 0; first < layout_.rows(); first += kRun) {
      Vec sum = {};
      for (int64_t r = first; r < std::min(first + kRun, layout_.rows()); ++r) {
        sum += psi_[r].re * psi_[r].re + psi_[r].im * psi_[r].im;
      }
      sum *= missing_ * missing_;
      for (int l = 0; l < L::count; ++l) found[l] += sum[l];
    }
    for (int l = 0; l < L::count; ++l) {
      for (int k = 0; k <= layout_.low(); ++k) whole[l] += found[l ^ k];
    }
    return whole;
  }

  // Gates are rounded and the same ones act again and again: what that does to the norm is undone.
  // Nothing is missing then, nor after the last step.
  void steady(int64_t t) {
    if (t % kSteady) return;
    const auto now = norms();
    Vec scale;
    for (int l = 0; l < L::count; ++l) {
      const double ratio = norms_[l] / now[l];
      // else it is no rounding, or the norm is out of range
      scale[l] = ratio > 0.5 && ratio < 2 ? static_cast<T>(std::sqrt(ratio)) : T(1);
    }
    scale *= missing_;
    missing_ = Vec{} + 1;
    for (C* state : {psi_.get(), lambda_.get()}) {
      for (int64_t r = 0; state && r < layout_.rows(); ++r) {
        state[r].re *= scale;
        state[r].im *= scale;
      }
    }
  }

  // One number of each sequence: the sum over its lanes.
  void store_sum(Vec lanes, T* to, int64_t stride, int64_t offset) const {
    const int own = 1 << layout_.amplitude_bits;
    for (int l = 0; l < L::count; l += own) {
      if (!used_[l]) continue;
      T sum = 0;
      for (int k = 0; k < own; ++k) sum += lanes[l + k];
      to[sequence_[l] * stride + offset] = sum;
    }
  }

  const Program& program_;
  const Workers workers_;
  const Sizes& sizes_;
  const Arrays<T>& arrays_;
  Layout layout_;
  Labels labels_;
  Gates<T> gates_;
  Pass<T> pass_, back_;
  Words<T> words_;
  Block<C> psi_, lambda_;
  Block<Vec> fixed_, varying_, fixed_sum_, varying_sum_;
  Vec missing_ = Vec{} + 1;  // psi, lambda are this times what is stored: turns leave factors
  std::array<double, L::count> norms_;  // that are kept
  bool used_[L::count];
  int64_t sequence_[L::count];
};

}  // namespace qrnn
