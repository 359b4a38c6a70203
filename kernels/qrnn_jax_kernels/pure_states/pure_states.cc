// The whole time loop of a recurrent circuit on pure states, and its reversible adjoint.
//
// A group of sequences shares registers (see gates.h). Forward, a group's state runs through all
// steps. Backward, the state and its cotangent run through them in reverse: gates are undone, so
// nothing is stored. Groups are independent; they are spread over XLA's own threads.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "words.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

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

constexpr int64_t kFirstCache = 32768;  // bytes

// B sequences in groups of 2^batch_bits, each with 2^amplitude_bits lanes. A state and its cotangent
// are to stay in the first cache, if the batch is large enough for every thread.
template <typename T>
struct Grouping {
  int batch_bits, amplitude_bits;
  int64_t count;

  Grouping(int wires, int64_t batch, int64_t threads) {
    const int bits = Lanes<T>::bits;
    const int64_t share = (batch + threads - 1) / std::max<int64_t>(threads, 1);
    const int64_t state = int64_t{2 * sizeof(T)} << wires;
    batch_bits = std::max(0, bits - wires);
    auto fits = [&](int64_t count) { return count <= share && 2 * count * state <= kFirstCache; };
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
        const Grouping<T>& grouping, int64_t index)
      : program_(program),
        sizes_(sizes),
        arrays_(arrays),
        layout_{program.wires, grouping.amplitude_bits},
        gates_(layout_),
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
    for (int64_t t = 0; t < sizes_.steps; ++t) {
      load_step(t);
      for (size_t g = 0; g < program_.read; ++g) step(program_.gates[g]);
      for (int64_t w = 0; w < words_.count(); ++w) {
        store_sum(words_.read(w, gates_.labels, psi_.get()), arrays_.reads, sizes_.steps * words_.count(),
                  t * words_.count() + w);
      }
      for (size_t g = program_.read; g < program_.gates.size(); ++g) step(program_.gates[g]);
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
    for (int64_t t = sizes_.steps - 1; t >= 0; --t) {
      load_step(t);
      std::fill_n(varying_sum_.get(), sizes_.varying, Vec{});
      for (size_t g = program_.gates.size(); g > program_.read; --g) back(program_.gates[g - 1]);
      pull_reads(t);
      for (size_t g = program_.read; g > 0; --g) back(program_.gates[g - 1]);
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
  void step(const Gate& gate) {
    gates_.forward(gate, (gate.varies ? varying_ : fixed_).get() + gate.offset, psi_);
  }

  void back(const Gate& gate) {
    const Vec* numbers = (gate.varies ? varying_ : fixed_).get() + gate.offset;
    Vec* sums = (gate.varies ? varying_sum_ : fixed_sum_).get() + gate.offset;
    gates_.backward(gate, numbers, sums, psi_, lambda_);
  }

  void pull_reads(int64_t t) {
    const int64_t count = words_.count();
    for (int64_t w = 0; w < count; ++w) {
      Vec slope;
      for (int l = 0; l < L::count; ++l) {
        slope[l] = arrays_.reads_slope[(sequence_[l] * sizes_.steps + t) * count + w];
      }
      words_.pull(w, slope, gates_.labels, psi_.get(), lambda_.get());
    }
  }

  void load_step(int64_t t) {
    for (int64_t k = 0; k < sizes_.varying; ++k) {
      for (int l = 0; l < L::count; ++l) {
        varying_[k][l] = arrays_.varying[(sequence_[l] * sizes_.steps + t) * sizes_.varying + k];
      }
    }
  }

  int64_t amplitude(int64_t row, int lane) const {
    const int a = layout_.amplitude_bits;
    return gates_.labels.index((row << a) | (lane & layout_.low()));
  }

  void load(const T* from, int64_t batch, C* state) const {
    const int64_t size = int64_t{2} << layout_.wires;
    for (int64_t r = 0; r < layout_.rows(); ++r) {
      for (int l = 0; l < L::count; ++l) {
        const T* at = from + (batch == 1 ? 0 : sequence_[l]) * size + 2 * amplitude(r, l);
        state[r].re[l] = at[0];
        state[r].im[l] = at[1];
      }
    }
  }

  void store(const C* state, T* to) const {
    const int64_t size = int64_t{2} << layout_.wires;
    for (int64_t r = 0; r < layout_.rows(); ++r) {
      for (int l = 0; l < L::count; ++l) {
        if (!used_[l]) continue;
        T* at = to + sequence_[l] * size + 2 * amplitude(r, l);
        at[0] = state[r].re[l];
        at[1] = state[r].im[l];
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
  const Sizes& sizes_;
  const Arrays<T>& arrays_;
  Layout layout_;
  Gates<T> gates_;
  Words<T> words_;
  Block<C> psi_, lambda_;
  Block<Vec> fixed_, varying_, fixed_sum_, varying_sum_;
  bool used_[L::count];
  int64_t sequence_[L::count];
};

// All tasks on the pool and on the caller, which returns when they are done.
class Tasks {
 public:
  template <typename F>
  static void run(ffi::ThreadPool& pool, int64_t count, const F& task) {
    auto state = std::make_shared<Tasks>();
    auto work = [state, count, task] {
      for (int64_t i; (i = state->next_++) < count;) {
        task(i);
        std::lock_guard<std::mutex> lock(state->mutex_);
        if (++state->done_ == count) state->ready_.notify_all();
      }
    };
    const int64_t helpers = std::min<int64_t>(pool.num_threads(), count) - 1;
    for (int64_t h = 0; h < helpers; ++h) pool.Schedule(std::function<void()>(work));
    work();
    std::unique_lock<std::mutex> lock(state->mutex_);
    state->ready_.wait(lock, [&] { return state->done_ == count; });
  }

 private:
  std::atomic<int64_t> next_{0};
  int64_t done_ = 0;
  std::mutex mutex_;
  std::condition_variable ready_;
};

Program program_from(int64_t wires, int64_t read, ffi::Span<const int64_t> gates,
                     ffi::Span<const int64_t> words) {
  Program program{static_cast<int>(wires), {}, static_cast<size_t>(read), {}};
  for (size_t i = 0; i + 5 <= gates.size(); i += 5) {
    program.gates.push_back({static_cast<int>(gates[i]),
                             {static_cast<int>(gates[i + 1]), static_cast<int>(gates[i + 2])},
                             gates[i + 3],
                             gates[i + 4] != 0});
  }
  for (size_t i = 0; i + 3 <= words.size(); i += 3) {
    program.words.push_back({words[i], words[i + 1], static_cast<int>(words[i + 2])});
  }
  return program;
}

template <typename T>
void run(ffi::ThreadPool& pool, const Program& program, const Sizes& sizes,
         const Arrays<T>& arrays, bool backward) {
  const Grouping<T> grouping(program.wires, sizes.batch, pool.num_threads());
  Tasks::run(pool, grouping.count, [&](int64_t index) {
    Group<T> group(program, sizes, arrays, grouping, index);
    backward ? group.backward() : group.forward();
  });
}

Sizes sizes_of(ffi::AnyBuffer fixed, ffi::AnyBuffer varying, ffi::AnyBuffer start) {
  const auto f = fixed.dimensions(), v = varying.dimensions(), s = start.dimensions();
  return {v[0], v[1], f[1], v[2], f[0], s[0]};
}

template <typename T>
const T* numbers(ffi::AnyBuffer& buffer) {
  return static_cast<const T*>(buffer.untyped_data());
}

template <typename T>
T* numbers(ffi::Result<ffi::AnyBuffer>& buffer) {
  return static_cast<T*>(buffer->untyped_data());
}

ffi::Error Forward(ffi::ThreadPool pool, int64_t wires, int64_t read,
                   ffi::Span<const int64_t> gates, ffi::Span<const int64_t> words,
                   ffi::AnyBuffer fixed, ffi::AnyBuffer varying, ffi::AnyBuffer start,
                   ffi::Result<ffi::AnyBuffer> reads, ffi::Result<ffi::AnyBuffer> last) {
  const Program program = program_from(wires, read, gates, words);
  const Sizes sizes = sizes_of(fixed, varying, start);
  auto with = [&](auto zero) {
    using T = decltype(zero);
    Arrays<T> arrays{numbers<T>(fixed), numbers<T>(varying), numbers<T>(start), numbers<T>(reads),
                     numbers<T>(last),  nullptr,             nullptr,           nullptr,
                     nullptr,           nullptr};
    run<T>(pool, program, sizes, arrays, false);
  };
  fixed.element_type() == ffi::DataType::F64 ? with(double{}) : with(float{});
  return ffi::Error::Success();
}

ffi::Error Backward(ffi::ThreadPool pool, int64_t wires, int64_t read,
                    ffi::Span<const int64_t> gates, ffi::Span<const int64_t> words,
                    ffi::AnyBuffer fixed, ffi::AnyBuffer varying, ffi::AnyBuffer last,
                    ffi::AnyBuffer reads_slope, ffi::AnyBuffer last_slope,
                    ffi::Result<ffi::AnyBuffer> fixed_slope,
                    ffi::Result<ffi::AnyBuffer> varying_slope,
                    ffi::Result<ffi::AnyBuffer> start_slope) {
  const Program program = program_from(wires, read, gates, words);
  const Sizes sizes = sizes_of(fixed, varying, last);
  auto with = [&](auto zero) {
    using T = decltype(zero);
    Arrays<T> arrays{numbers<T>(fixed),       numbers<T>(varying),     numbers<T>(last),
                     nullptr,                 nullptr,                 numbers<T>(reads_slope),
                     numbers<T>(last_slope),  numbers<T>(fixed_slope), numbers<T>(varying_slope),
                     numbers<T>(start_slope)};
    run<T>(pool, program, sizes, arrays, true);
  };
  fixed.element_type() == ffi::DataType::F64 ? with(double{}) : with(float{});
  return ffi::Error::Success();
}

// What both handlers are given first.
auto Bound() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::ThreadPool>()
      .Attr<int64_t>("wires")
      .Attr<int64_t>("read")
      .Attr<ffi::Span<const int64_t>>("gates")
      .Attr<ffi::Span<const int64_t>>("words")
      .Arg<ffi::AnyBuffer>()
      .Arg<ffi::AnyBuffer>()
      .Arg<ffi::AnyBuffer>();
}

}  // namespace qrnn

XLA_FFI_DEFINE_HANDLER_SYMBOL(QrnnPureForward, qrnn::Forward,
                              qrnn::Bound().Ret<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(QrnnPureBackward, qrnn::Backward,
                              qrnn::Bound()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>());
