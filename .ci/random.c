// bcryptprimitives.dll with the one function that Rust's standard library takes from it. Debian's wine 8
// has none. For tests only.
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) {
    return RtlGenRandom(data, (ULONG)length);
}
