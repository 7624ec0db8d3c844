// process.h: what the program settles with the system before it does anything: standard streams, signals,
// limits.
#pragma once

namespace espalier {

/// So that no file we open becomes standard output or error when the caller closed them; and so that a pipe
/// which nobody reads any more is no reason to end a run: what is written there is dropped.
void settle_standard_streams();

/// Ctrl-C and SIGTERM end with exit code 130 from here on; want of memory with 7, also where it strikes in a
/// destructor. A file size limit (ulimit -f) is an error when
/// writing, not a deadly signal.
void settle_signals();

/// OpenBLAS starts a thread per core before main(), each with a buffer of 128 MiB, and where `ulimit -v`
/// leaves no room for one it tries for ever, also at exit. We use none of these threads: without them, start
/// again.
void restart_without_blas_threads(char** argv);

/// From here on every line that the program writes on standard error is one JSON object: {"event": "progress", ...} of long
/// loops, {"event": "log", "text": ...} of all else.
void log_as_json();

/// What was printed may still lie in a buffer; a full disk behind `>` shows only now. Throws Error(io).
void flush_output();

}  // namespace espalier
