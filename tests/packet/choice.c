#include "tests.h"
const struct CMUnitTest choice_tests[] = { {0} };
