// Expectation values of Pauli words, and their adjoints.
#pragma once

#include <vector>

#include "../shared/lanes.h"

namespace qrnn {

// i^power times X on the wires of `flips` and Z on those of `signs`, both as bits of an amplitude's
// index: Y is i X Z.
struct Word {
  int64_t flips, signs;
  int power;
};

template <typename T>
class Words {
 public:
  using L = Lanes<T>;
  using Vec = typename L::Vec;
  using C = Complex<T>;

  Words(Layout layout, std::vector<Word> words)
      : layout_(layout), rows_(layout.rows()), words_(std::move(words)) {}

  int64_t count() const { return static_cast<int64_t>(words_.size()); }

  // Re conj(psi) P psi, summed over rows: still one number for each lane.
  Vec read(int64_t index, const Labels& labels, const C* psi) const {
    Vec sum = {};
    each(words_[index], labels, psi, [&](int64_t r, C image) {
      sum += psi[r].re * image.re + psi[r].im * image.im;
    });
    return sum;
  }

  // lambda += 2 slope P psi
  void pull(int64_t index, Vec slope, const Labels& labels, const C* psi, C* lambda) const {
    Vec twice = slope + slope;
    each(words_[index], labels, psi, [&](int64_t r, C image) {
      lambda[r].re += twice * image.re;
      lambda[r].im += twice * image.im;
    });
  }

 private:
  template <typename F>
  void each(const Word& word, const Labels& labels, const C* psi, F&& with_image) const {
    const int a = layout_.amplitude_bits, low = layout_.low();
    int64_t flips = 0, signs = 0;
    for (int w = 0; w < layout_.wires; ++w) {
      const int64_t bit = int64_t{1} << (layout_.wires - 1 - w);
      if (word.flips & bit) flips ^= labels.flip(w);
      if (word.signs & bit) signs ^= labels.value(w);
    }
    const int64_t row_flips = flips >> a, row_signs = signs >> a;
    const int lane_flips = static_cast<int>(flips & low);
    Vec sign;
    for (int l = 0; l < L::count; ++l) {
      sign[l] = parity((l ^ lane_flips) & signs & low) ? T(-1) : T(1);
    }
    for (int64_t r = 0; r < rows_; ++r) {
      const int64_t from = r ^ row_flips;
      const C x = L::swapped(psi[from], lane_flips);
      const Vec s = parity(from & row_signs) ? -sign : sign;
      C image{s * x.re, s * x.im};
      if (word.power & 1) image = {-image.im, image.re};
      if (word.power & 2) image = {-image.re, -image.im};
      with_image(r, image);
    }
  }

  Layout layout_;
  int64_t rows_;
  std::vector<Word> words_;
};

}  // namespace qrnn
