// Preloaded into a process, lets a test have the disk fail at any moment, for the files below the folder that BELFRY_FAILING_DISK
// names: as the two numbers in the file that BELFRY_FAILING_DISK_ORDER names say, what fails and after how many more calls of that kind.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { nothing, full, torn, sync_error };
struct order {
  _Atomic int64_t what;
  _Atomic int64_t calls_left;
};
static struct order none;
static struct order* order = &none;
static const char* folder;

__attribute__((constructor)) static void open_order(void) {
  const char* path = getenv("BELFRY_FAILING_DISK_ORDER");
  folder = getenv("BELFRY_FAILING_DISK");
  const int file = path != NULL && folder != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (file < 0) return;
  void* const mapped = mmap(NULL, sizeof(struct order), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) order = mapped;
  close(file);
}

static int is_below_folder(int file) {
  char link[32], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = '\0';
  const size_t length = strlen(folder);
  return strncmp(path, folder, length) == 0 && path[length] == '/';
}

// Once it fails it goes on failing.
static int fails(int64_t what, int file) {
  return order->what == what && is_below_folder(file) && atomic_fetch_sub(&order->calls_left, 1) <= 0;
}

ssize_t write(int file, const void* bytes, size_t size) {
  if (fails(full, file)) {
    errno = ENOSPC;
    return -1;
  }
  if (fails(torn, file)) {
    // A half, and no more of it.
    if (order->calls_left >= -1 && size > 1) return syscall(SYS_write, file, bytes, size / 2);
    errno = EIO;
    return -1;
  }
  return syscall(SYS_write, file, bytes, size);
}

int fdatasync(int file) {
  if (!fails(sync_error, file)) return (int)syscall(SYS_fdatasync, file);
  errno = EIO;
  return -1;
}

int fsync(int file) {
  if (!fails(sync_error, file)) return (int)syscall(SYS_fsync, file);
  errno = EIO;
  return -1;
}
