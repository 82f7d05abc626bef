#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "absl/status/statusor.h"

namespace belfry {

// Owns a file descriptor. Not thread-safe.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      Close();
      value_ = std::exchange(other.value_, -1);
    }
    return *this;
  }
  ~Descriptor() { Close(); }

  bool ok() const { return value_ >= 0; }
  int get() const { return value_; }
  // The caller closes it.
  int Release() { return std::exchange(value_, -1); }
  void Close() {
    if (value_ >= 0) close(value_);
    value_ = -1;
  }

 private:
  int value_ = -1;
};

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

// A copy that closes on exec and lies above the numbers that a child gets, so that giving it one
// never overwrites another; one of -1 when there are no descriptors left.
inline Descriptor AboveChildDescriptors(const Descriptor& original) {
  constexpr int kAboveChildDescriptors = 10;
  return Descriptor(fcntl(original.get(), F_DUPFD_CLOEXEC, kAboveChildDescriptors));
}

// Both ends are as of AboveChildDescriptors. ResourceExhausted when there are no descriptors left.
inline absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError("no pipe could be made: too many open files");
  }
  const Descriptor low_read(ends[0]);
  const Descriptor low_write(ends[1]);
  Pipe made{AboveChildDescriptors(low_read), AboveChildDescriptors(low_write)};
  if (made.read_end.get() < 0 || made.write_end.get() < 0) {
    return absl::ResourceExhaustedError("no pipe could be made: too many open files");
  }
  return made;
}

}  // namespace belfry
