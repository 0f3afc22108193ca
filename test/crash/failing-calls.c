/*
 * Loaded before the C library (LD_PRELOAD): lets one kind of call fail, or write short, from its
 * n-th time on. MILLRACE_FAIL says which: "<call> <errno, or 0 for half a write> <n> <times>".
 * Whenever it strikes, it adds a byte to the file that MILLRACE_STRUCK names.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int calls;

/* The errno to fail with, 0 to write half, -1 to do as asked. */
static int verdict(const char *call) {
  const char *order = getenv("MILLRACE_FAIL");
  char name[16];
  int error, first, times;
  if (order == NULL || sscanf(order, "%15s %d %d %d", name, &error, &first, &times) != 4) return -1;
  if (strcmp(name, call) != 0) return -1;
  int number = atomic_fetch_add(&calls, 1) + 1;
  if (number < first || number >= first + times) return -1;
  int struck = open(getenv("MILLRACE_STRUCK"), O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (struck != -1) {
    if (write(struck, "x", 1) != 1) abort();
    close(struck);
  }
  return error;
}

#define FAIL_OR_CALL(call, type, arguments, values)                     \
  int call arguments {                                                 \
    int (*next) arguments = (int(*) arguments)dlsym(RTLD_NEXT, #call);  \
    int error = verdict(type);                                         \
    if (error <= 0) return next values;                                \
    errno = error;                                                     \
    return -1;                                                         \
  }

FAIL_OR_CALL(fdatasync, "datasync", (int file), (file))
FAIL_OR_CALL(fsync, "sync", (int file), (file))
FAIL_OR_CALL(ftruncate, "truncate", (int file, off_t size), (file, size))
FAIL_OR_CALL(ftruncate64, "truncate", (int file, off64_t size), (file, size))
FAIL_OR_CALL(rename, "rename", (const char *from, const char *to), (from, to))

static ssize_t write_or_fail(const char *symbol, int file, const void *from, size_t count,
                             off64_t at) {
  ssize_t (*next)(int, const void *, size_t, off64_t);
  next = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, symbol);
  int error = verdict("write");
  if (error == 0) return next(file, from, count / 2, at);
  if (error < 0) return next(file, from, count, at);
  errno = error;
  return -1;
}

ssize_t pwrite(int file, const void *from, size_t count, off_t at) {
  return write_or_fail("pwrite", file, from, count, at);
}

ssize_t pwrite64(int file, const void *from, size_t count, off64_t at) {
  return write_or_fail("pwrite64", file, from, count, at);
}
