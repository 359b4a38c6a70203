// Rows of a sequence are added up in a fixed order, and are nothing again.
#pragma once

#include "team.h"

namespace qrnn_cuda {

template <typename T>
struct Sum {
  T* from;              // (B, rows, count)
  int64_t rows, count;
  T* to;                // the k-th sum of sequence b is at b * stride + k
  int64_t stride;
};

// One sum, by the threads of a warp: index = b * count + k.
template <typename Team, typename T>
QRNN_DEVICE void add_rows(const Team& team, const Sum<T>& sum, int64_t index) {
  const int64_t b = index / sum.count, k = index % sum.count;
  auto total = team.each([&](int thread) -> T {
    T found = 0;
    for (int64_t row = thread; row < sum.rows; row += 32) {
      T* at = sum.from + (b * sum.rows + row) * sum.count + k;
      found += *at;
      *at = 0;
    }
    return found;
  });
  for (int mask = 1; mask < 32; mask *= 2) {
    auto other = total;
    team.template swap<1>(&other, mask);
    total += other;
  }
  team.visit([&](int thread) {
    if (thread == 0) sum.to[b * sum.stride + k] = Team::at(total, thread);
  });
}

}  // namespace qrnn_cuda
