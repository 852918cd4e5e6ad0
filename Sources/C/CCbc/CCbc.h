#pragma once
// CBC's C interface: models are built, solved and read through it, so no C++ is needed here.
#include <coin/Cbc_C_Interface.h>
