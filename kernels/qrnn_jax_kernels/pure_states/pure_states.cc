// The whole time loop of a recurrent circuit on pure states, and its reversible adjoint.
//
// Groups of sequences (see group.h) are independent; they are spread over XLA's own threads.

#include "../shared/buffers.h"
#include "group.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace qrnn {

Program program_from(int64_t wires, int64_t read, ffi::Span<const int64_t> gates,
                     ffi::Span<const int64_t> words) {
  Program program{static_cast<int>(wires), {}, static_cast<size_t>(read), {}};
  constexpr size_t kNumbers = 4 + kMostWires;
  for (size_t i = 0; i + kNumbers <= gates.size(); i += kNumbers) {
    Gate gate{static_cast<int>(gates[i]), static_cast<int>(gates[i + 1]), {}, gates[i + 2],
              gates[i + 3] != 0};
    for (int k = 0; k < kMostWires; ++k) gate.wires[k] = static_cast<int>(gates[i + 4 + k]);
    program.gates.push_back(gate);
  }
  for (size_t i = 0; i + 3 <= words.size(); i += 3) {
    program.words.push_back({words[i], words[i + 1], static_cast<int>(words[i + 2])});
  }
  return program;
}

template <typename T>
void run(ffi::ThreadPool& pool, const Program& program, const Sizes& sizes,
         const Arrays<T>& arrays, bool backward) {
  const Workers all(&pool), none(nullptr);
  const Grouping<T> grouping(program.wires, sizes.batch, all.count());
  const bool several = grouping.count > 1;
  const size_t state = sizeof(T) * sizes.batch << (program.wires + 1);
  prefer_huge_pages(backward ? arrays.start_slope : arrays.last, state);
  (several ? all : none).run(grouping.count, [&](int64_t index) {
    Group<T> group(program, sizes, arrays, grouping, index, several ? none : all);
    backward ? group.backward() : group.forward();
  });
}

Sizes sizes_of(ffi::AnyBuffer fixed, ffi::AnyBuffer varying, ffi::AnyBuffer start) {
  const auto f = fixed.dimensions(), v = varying.dimensions(), s = start.dimensions();
  return {v[0], v[1], f[1], v[2], f[0], s[0]};
}

ffi::Error Forward(ffi::ThreadPool pool, int64_t wires, int64_t read,
                   ffi::Span<const int64_t> gates, ffi::Span<const int64_t> words,
                   ffi::AnyBuffer fixed, ffi::AnyBuffer varying, ffi::AnyBuffer start,
                   ffi::Result<ffi::AnyBuffer> reads, ffi::Result<ffi::AnyBuffer> last) {
  const Program program = program_from(wires, read, gates, words);
  const Sizes sizes = sizes_of(fixed, varying, start);
  return by_type(fixed, [&](auto zero) {
    using T = decltype(zero);
    Arrays<T> arrays{numbers<T>(fixed), numbers<T>(varying), numbers<T>(start), numbers<T>(reads),
                     numbers<T>(last),  nullptr,             nullptr,           nullptr,
                     nullptr,           nullptr};
    run<T>(pool, program, sizes, arrays, false);
  });
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
  return by_type(fixed, [&](auto zero) {
    using T = decltype(zero);
    Arrays<T> arrays{numbers<T>(fixed),       numbers<T>(varying),     numbers<T>(last),
                     nullptr,                 nullptr,                 numbers<T>(reads_slope),
                     numbers<T>(last_slope),  numbers<T>(fixed_slope), numbers<T>(varying_slope),
                     numbers<T>(start_slope)};
    run<T>(pool, program, sizes, arrays, true);
  });
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
