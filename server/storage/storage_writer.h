#pragma once

#include <cstddef>
#include <string>

#include "server/storage/write_batch.h"

namespace belfry::storage {

constexpr int kWriterThreads = 4;

// Different lengths, up to some blocks of a log.
inline std::string WriterValue(int number) {
  return std::string(static_cast<std::size_t>(number) * 7919 % 40'000,
                     static_cast<char>('a' + number % 26));
}

// What belfry-storage-writer commits as its `number`th on a thread: two keys with one value.
inline WriteBatch WriterBatch(int thread, int number) {
  WriteBatch batch;
  for (const char* const folder : {"/a/", "/b/"}) {
    batch.Put(std::to_string(thread) + folder + std::to_string(number), WriterValue(number));
  }
  return batch;
}

}  // namespace belfry::storage
