// Writes to a data directory from several threads and says what was acknowledged, one line each,
// "THREAD NUMBER", until it is killed.
//
// usage: belfry-storage-writer DIRECTORY FIRST
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/storage/committer.h"
#include "server/storage/rocksdb.h"
#include "server/storage/storage_writer.h"

namespace belfry::storage {
namespace {

void WriteForEver(Storage& storage, int thread, int number) {
  for (;; ++number) {
    if (absl::Status status = CommitAndWait(storage, WriterBatch(thread, number)); !status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      std::abort();
    }
    const std::string line = std::to_string(thread) + " " + std::to_string(number) + "\n";
    // A short line goes into the pipe as a whole.
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::abort();
  }
}

int Run(const std::string& path, int first) {
  auto physical = OpenRocksDbStorage({.path = path, .write_buffer_bytes = std::size_t{256} << 10});
  if (!physical.ok()) {
    std::fprintf(stderr, "%s\n", physical.status().ToString().c_str());
    return 1;
  }
  const std::unique_ptr<Storage> storage = NewCommitter(physical->get(), nullptr);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kWriterThreads; ++thread) {
    threads.emplace_back([&storage, thread, first] { WriteForEver(*storage, thread, first); });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace
}  // namespace belfry::storage

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return belfry::storage::Run(argv[1], std::atoi(argv[2]));
}
