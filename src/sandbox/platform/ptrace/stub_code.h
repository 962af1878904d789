// Where the stub's code lies in this program. Private to platform/ptrace.
#pragma once

extern "C" {
extern const char cella_stub_begin[], cella_stub_pause[], cella_stub_batch[], cella_stub_clone[], cella_stub_ready[],
    cella_stub_end[];
}
