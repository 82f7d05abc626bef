// Preloaded into a process, lets a test set its wall clock, forward or back, at any moment: by the seconds in the file that
// BELFRY_WALL_CLOCK_OFFSET names. The monotonic clock is left alone. (libfaketime does more and hangs under AddressSanitizer.)
// Waits that end at a time of the wall clock are asked of the kernel in the kernel's own time, or gRPC's timers, which are such waits
// in Abseil, would sleep as long as the jump was.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t none = 0;
static volatile int64_t* offset = &none;

__attribute__((constructor)) static void open_offset(void) {
  const char* path = getenv("BELFRY_WALL_CLOCK_OFFSET");
  const int file = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void* const mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) offset = mapped;
  close(file);
}

// syscall() itself, which the one below hides.
static long system_call(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  if (result >= 0 || result < -4095) return result;
  errno = (int)-result;
  return -1;
}

// The kernel's time at which the wall clock that the process sees will be `deadline`.
static struct timespec in_kernel_time(const struct timespec* deadline) {
  struct timespec time = *deadline;
  time.tv_sec -= *offset;
  if (time.tv_sec < 0) time.tv_sec = 0;
  return time;
}

// Abseil waits on futexes through this function.
long syscall(long number, ...) {
  long argument[6];
  va_list arguments;
  va_start(arguments, number);
  for (int i = 0; i < 6; ++i) argument[i] = va_arg(arguments, long);
  va_end(arguments);
  struct timespec deadline;
  if (number == SYS_futex && (argument[1] & FUTEX_CLOCK_REALTIME) != 0 && argument[3] != 0) {
    deadline = in_kernel_time((const struct timespec*)argument[3]);
    argument[3] = (long)&deadline;
  }
  return system_call(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}

int pthread_cond_timedwait(pthread_cond_t* restrict condition, pthread_mutex_t* restrict mutex,
                           const struct timespec* restrict deadline) {
  static int (*wait)(pthread_cond_t*, pthread_mutex_t*, const struct timespec*);
  if (wait == NULL) *(void**)&wait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  // Asio's condition variables are of the monotonic clock, which counts from the machine's start, not from 1970.
  const struct timespec time = deadline->tv_sec > 1000000000 ? in_kernel_time(deadline) : *deadline;
  return wait(condition, mutex, &time);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  const int result = (int)system_call(SYS_clock_gettime, clock, (long)now, 0, 0, 0, 0);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset;
  return result;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  (void)zone;
  struct timespec precise;
  const int result = clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return result;
}

time_t time(time_t* now) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (now != NULL) *now = precise.tv_sec;
  return precise.tv_sec;
}
