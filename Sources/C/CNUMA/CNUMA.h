#pragma once
// libnuma's topology queries, and the kernel's memory-policy calls themselves: libnuma's wrappers
// print refusals and return nothing, so a caller could not tell a bound page from an unbound one.
#include <numa.h>
#include <numaif.h>
