// All steps of one sequence, forward and in reverse.
//
// Post-selections cannot be undone: backward, the steps run once more and the vector before each is
// kept; then each step runs again with all that it makes, and is differentiated.
#pragma once

#include "step.h"

namespace qrnn {

// T steps, V numbers each; F numbers in all tables.
struct RealSizes {
  int64_t steps, varying, fixed;
};

template <typename T>
class Sequence {
 public:
  using L = Lanes<T>;
  using Vec = typename L::Vec;

  Sequence(const RealProgram& program, const RealSizes& sizes, const T* fixed)
      : program_(program), sizes_(sizes), fixed_(fixed), size_(padded(program.wires)) {
    int64_t end = size_;
    largest_ = size_;
    for (const Instruction& given : program.instructions) {
      places_.push_back(end);
      largest_ = std::max(largest_, padded(wires_after(given)));
      end += padded(wires_after(given));
    }
    trail_ = block<T>(end);
    const int wires = program.read ? wires_after(program.instructions[program.read - 1])
                                   : program.wires;
    set_words(wires);
    counts_ = block<Vec>(int64_t{1} << row_bits_.size());
  }

  int64_t reads() const { return int64_t{1} << program_.read_bits.size(); }

  void forward(const T* start, const T* varying, T* reads, T* last) {
    T* carry = trail_.get();
    open(start, carry);
    for (int64_t t = 0; t < sizes_.steps; ++t) {
      run(varying + t * sizes_.varying, reads + t * this->reads());
      next(carry);
    }
    std::copy_n(carry, int64_t{1} << program_.wires, last);
  }

  // Adds to `fixed_slope`.
  void backward(const T* start, const T* varying, const T* reads_slope, const T* last_slope,
                T* fixed_slope, T* start_slope) {
    remember(start, varying);
    if (!slope_) {
      slope_ = block<T>(largest_);
      other_ = block<T>(largest_);
    }
    open(last_slope, slope_.get());
    for (int64_t t = sizes_.steps - 1; t >= 0; --t) {
      const T* choices = varying + t * sizes_.varying;
      std::copy_n(carries_.get() + t * size_, size_, trail_.get());
      run(choices, nullptr);
      if (program_.rescales) scale(slope_.get(), factor());
      const size_t count = program_.instructions.size();
      for (size_t k = count; k > program_.read; --k) back(k - 1, choices, fixed_slope);
      pull(reads_slope + t * reads());
      for (size_t k = program_.read; k > 0; --k) back(k - 1, choices, fixed_slope);
    }
    std::copy_n(slope_.get(), int64_t{1} << program_.wires, start_slope);
  }

 private:
  T* before(size_t k) { return k ? trail_.get() + places_[k - 1] : trail_.get(); }
  T* after(size_t k) { return trail_.get() + places_[k]; }
  T* end() { return before(program_.instructions.size()); }

  void open(const T* from, T* to) const {
    std::fill_n(to, size_, T(0));
    std::copy_n(from, int64_t{1} << program_.wires, to);
  }

  // All instructions of a step, from the vector at the start of the trail.
  void run(const T* choices, T* reads) {
    for (size_t k = 0; k < program_.instructions.size(); ++k) {
      if (k == program_.read && reads) read(reads);
      Step<T>(program_.instructions[k], fixed_, choices).forward(before(k), after(k));
    }
    if (program_.read == program_.instructions.size() && reads) read(reads);
  }

  void back(size_t k, const T* choices, T* sums) {
    const Step<T> step(program_.instructions[k], fixed_, choices);
    step.backward(before(k), slope_.get(), other_.get(), sums);
    std::swap(slope_, other_);
  }

  void remember(const T* start, const T* varying) {
    if (!carries_) carries_ = block<T>(sizes_.steps * size_);
    T* carry = trail_.get();
    open(start, carry);
    for (int64_t t = 0; t < sizes_.steps; ++t) {
      std::copy_n(carry, size_, carries_.get() + t * size_);
      run(varying + t * sizes_.varying, nullptr);
      next(carry);
    }
  }

  void next(T* carry) {
    const T by = program_.rescales ? factor() : T(1);
    const T* from = end();
    for (int64_t i = 0; i < size_; ++i) carry[i] = from[i] * by;
  }

  // What gives the vector at the end of a step norm 1.
  T factor() {
    const Vec* x = reinterpret_cast<const Vec*>(end());
    Vec sum = {};
    for (int64_t r = 0; r < size_ / L::count; ++r) sum += x[r] * x[r];
    T norm = 0;
    for (int l = 0; l < L::count; ++l) norm += sum[l];
    return 1 / std::sqrt(norm);
  }

  void scale(T* vector, T by) const {
    for (int64_t i = 0; i < size_; ++i) vector[i] *= by;
  }

  // Which word of the wires that are read belongs to a row of lanes, and to a lane.
  void set_words(int wires) {
    const int count = static_cast<int>(program_.read_bits.size());
    rows_ = padded(wires) / L::count;
    row_words_.assign(rows_, 0);
    lane_words_.assign(L::count, 0);
    for (int j = 0; j < count; ++j) {
      const int bit = program_.read_bits[j], place = count - 1 - j;
      if (bit < L::bits) {
        for (int l = 0; l < L::count; ++l) lane_words_[l] |= (l >> bit & 1) << place;
      } else {
        for (int64_t r = 0; r < rows_; ++r) {
          row_words_[r] |= static_cast<int>(r >> (bit - L::bits) & 1) << row_bits_.size();
        }
        row_bits_.push_back(place);
      }
    }
  }

  int word(int row_word, int lane) const {
    int found = lane_words_[lane];
    for (size_t k = 0; k < row_bits_.size(); ++k) found |= (row_word >> k & 1) << row_bits_[k];
    return found;
  }

  // The weight of every word.
  void read(T* found) {
    const Vec* x = reinterpret_cast<const Vec*>(before(program_.read));
    const int groups = 1 << row_bits_.size();
    std::fill_n(counts_.get(), groups, Vec{});
    for (int64_t r = 0; r < rows_; ++r) counts_[row_words_[r]] += x[r] * x[r];
    std::fill_n(found, reads(), T(0));
    for (int g = 0; g < groups; ++g) {
      for (int l = 0; l < L::count; ++l) found[word(g, l)] += counts_[g][l];
    }
  }

  // slope += 2 psi times the cotangent of its word
  void pull(const T* cotangents) {
    const Vec* x = reinterpret_cast<const Vec*>(before(program_.read));
    Vec* slope = reinterpret_cast<Vec*>(slope_.get());
    const int groups = 1 << row_bits_.size();
    for (int g = 0; g < groups; ++g) {
      for (int l = 0; l < L::count; ++l) counts_[g][l] = 2 * cotangents[word(g, l)];
    }
    for (int64_t r = 0; r < rows_; ++r) slope[r] += counts_[row_words_[r]] * x[r];
  }

  const RealProgram& program_;
  const RealSizes& sizes_;
  const T* fixed_;
  int64_t size_, largest_, rows_;
  std::vector<int64_t> places_;
  std::vector<int> row_words_, lane_words_, row_bits_;
  Block<T> trail_, carries_, slope_, other_;
  Block<Vec> counts_;
};

}  // namespace qrnn
