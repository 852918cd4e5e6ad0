#pragma once
// zlib's own header: its macros deflateInit2 and inflateInit2 take a version and a size that Swift
// passes to the functions behind them.
#include <zlib.h>
