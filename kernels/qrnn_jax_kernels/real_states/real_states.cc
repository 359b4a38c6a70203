// The whole time loop of a recurrent circuit on real amplitudes, and its adjoint.
//
// Sequences are independent; they are cut into parts that are spread over XLA's own threads.

#include "../shared/buffers.h"
#include "../shared/workers.h"
#include "sequence.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace qrnn {

constexpr int64_t kParts = 16;  // at most, on any number of threads: so sums do not depend on it

RealProgram program_from(int64_t wires, int64_t read, int64_t rescales,
                         ffi::Span<const int64_t> instructions,
                         ffi::Span<const int64_t> read_bits) {
  RealProgram program{static_cast<int>(wires), static_cast<size_t>(read), rescales != 0, {}, {}};
  for (size_t i = 0; i + 6 <= instructions.size(); i += 6) {
    auto number = [&](int k) { return static_cast<int>(instructions[i + k]); };
    program.instructions.push_back(
        {number(0), number(1), number(2), number(3), number(4), instructions[i + 5]});
  }
  for (int64_t bit : read_bits) program.read_bits.push_back(static_cast<int>(bit));
  return program;
}

// task(from, to, number of the part)
template <typename F>
void in_parts(ffi::ThreadPool& pool, int64_t batch, const F& task) {
  const int64_t parts = std::min(batch, kParts);
  Workers(&pool).run(parts, [&](int64_t part) {
    task(batch * part / parts, batch * (part + 1) / parts, part);
  });
}

RealSizes sizes_of(ffi::AnyBuffer fixed, ffi::AnyBuffer varying) {
  return {varying.dimensions()[1], varying.dimensions()[2], fixed.dimensions()[0]};
}

// XLA's buffers may start anywhere; lanes must not.
template <typename T>
Block<T> aligned(const T* from, int64_t count) {
  Block<T> found = block<T>(count);
  std::copy_n(from, count, found.get());
  return found;
}

ffi::Error Forward(ffi::ThreadPool pool, int64_t wires, int64_t read, int64_t rescales,
                   ffi::Span<const int64_t> instructions, ffi::Span<const int64_t> read_bits,
                   ffi::AnyBuffer fixed, ffi::AnyBuffer varying, ffi::AnyBuffer start,
                   ffi::Result<ffi::AnyBuffer> reads, ffi::Result<ffi::AnyBuffer> last) {
  const RealProgram program = program_from(wires, read, rescales, instructions, read_bits);
  const RealSizes sizes = sizes_of(fixed, varying);
  const int64_t batch = varying.dimensions()[0], state = int64_t{1} << wires;
  return by_type(fixed, [&](auto zero) {
    using T = decltype(zero);
    const Block<T> tables = aligned(numbers<T>(fixed), sizes.fixed);
    in_parts(pool, batch, [&](int64_t from, int64_t to, int64_t) {
      Sequence<T> sequence(program, sizes, tables.get());
      for (int64_t s = from; s < to; ++s) {
        sequence.forward(numbers<T>(start) + s * state,
                         numbers<T>(varying) + s * sizes.steps * sizes.varying,
                         numbers<T>(reads) + s * sizes.steps * sequence.reads(),
                         numbers<T>(last) + s * state);
      }
    });
  });
}

ffi::Error Backward(ffi::ThreadPool pool, int64_t wires, int64_t read, int64_t rescales,
                    ffi::Span<const int64_t> instructions, ffi::Span<const int64_t> read_bits,
                    ffi::AnyBuffer fixed, ffi::AnyBuffer varying, ffi::AnyBuffer start,
                    ffi::AnyBuffer reads_slope, ffi::AnyBuffer last_slope,
                    ffi::Result<ffi::AnyBuffer> fixed_slope,
                    ffi::Result<ffi::AnyBuffer> start_slope) {
  const RealProgram program = program_from(wires, read, rescales, instructions, read_bits);
  const RealSizes sizes = sizes_of(fixed, varying);
  const int64_t batch = varying.dimensions()[0], state = int64_t{1} << wires;
  return by_type(fixed, [&](auto zero) {
    using T = decltype(zero);
    const Block<T> tables = aligned(numbers<T>(fixed), sizes.fixed);
    std::vector<Block<T>> sums(std::min(batch, kParts));
    in_parts(pool, batch, [&](int64_t from, int64_t to, int64_t part) {
      sums[part] = block<T>(sizes.fixed);
      std::fill_n(sums[part].get(), sizes.fixed, T(0));
      Sequence<T> sequence(program, sizes, tables.get());
      for (int64_t s = from; s < to; ++s) {
        sequence.backward(numbers<T>(start) + s * state,
                          numbers<T>(varying) + s * sizes.steps * sizes.varying,
                          numbers<T>(reads_slope) + s * sizes.steps * sequence.reads(),
                          numbers<T>(last_slope) + s * state, sums[part].get(),
                          numbers<T>(start_slope) + s * state);
      }
    });
    T* total = numbers<T>(fixed_slope);
    std::fill_n(total, sizes.fixed, T(0));
    for (const Block<T>& own : sums) {
      for (int64_t k = 0; k < sizes.fixed; ++k) total[k] += own[k];
    }
  });
}

// What both handlers are given first.
auto Bound() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::ThreadPool>()
      .Attr<int64_t>("wires")
      .Attr<int64_t>("read")
      .Attr<int64_t>("rescales")
      .Attr<ffi::Span<const int64_t>>("instructions")
      .Attr<ffi::Span<const int64_t>>("read_bits")
      .Arg<ffi::AnyBuffer>()
      .Arg<ffi::AnyBuffer>()
      .Arg<ffi::AnyBuffer>();
}

}  // namespace qrnn

XLA_FFI_DEFINE_HANDLER_SYMBOL(QrnnRealForward, qrnn::Forward,
                              qrnn::Bound().Ret<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(QrnnRealBackward, qrnn::Backward,
                              qrnn::Bound()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>());
