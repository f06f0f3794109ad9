#include "tests.h"
const struct CMUnitTest malformed_tests[] = { {0} };
