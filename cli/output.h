#pragma once

#include <ostream>
#include <streambuf>
#include <string>

namespace belfry::cli {

// What is behind a DescriptorStream: collects what is written, and passes it on when it is flushed
// or has grown large.
class DescriptorBuffer final : public std::streambuf {
 public:
  explicit DescriptorBuffer(int descriptor) : descriptor_(descriptor) {}
  int error() const { return error_; }

 protected:
  int_type overflow(int_type c) override;
  std::streamsize xsputn(const char* bytes, std::streamsize count) override;
  int sync() override;

 private:
  bool Drain();

  const int descriptor_;
  std::string waiting_;
  int error_ = 0;
};

// Writes to a descriptor that it does not own, and remembers why it could not. Not thread-safe.
class DescriptorStream final : public std::ostream {
 public:
  explicit DescriptorStream(int descriptor) : std::ostream(nullptr), buffer_(descriptor) {
    rdbuf(&buffer_);
  }
  // The errno of the first write that failed; 0: none has.
  int error() const { return buffer_.error(); }

 private:
  DescriptorBuffer buffer_;
};

// The exit code of a command whose output has been written to `out`: its own, unless something of
// the output was lost, which is said on `err` and makes a success a failure. A reader that has gone
// has seen what it wanted: nothing is said then.
int ExitCodeAfterOutput(DescriptorStream& out, std::ostream& err, int exit_code);

// Makes sure that descriptors 0, 1 and 2 are open, so that nothing that is opened later takes the
// place of one that the caller has closed: reading gives an error then, and so does writing.
void KeepStandardDescriptors();

}  // namespace belfry::cli
