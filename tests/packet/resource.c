#include "tests.h"
const struct CMUnitTest resource_tests[] = { {0} };
