#include "group/controllers/number.h"

#include <gtest/gtest.h>

namespace warren::group {
namespace {

int error_of(std::string_view text) { return parse_number(text).error_code(); }

TEST(Number, ReadsAsTheKernelDoes) {
  EXPECT_EQ(*parse_number("0"), 0);
  EXPECT_EQ(*parse_number("+17"), 17);
  EXPECT_EQ(*parse_number("-17"), -17);
  EXPECT_EQ(*parse_number("017"), 15);
  EXPECT_EQ(*parse_number("0x1F"), 31);
  EXPECT_EQ(*parse_number("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(*parse_number("-9223372036854775808"), INT64_MIN);
}

TEST(Number, RefusesTheRest) {
  for (const char* text :
       {"", "+", "-", "x", "1x", "08", "0x", "0xg", "1 2", "+-1", "--1", "1.5"}) {
    EXPECT_EQ(error_of(text), EINVAL) << text;
  }
  EXPECT_EQ(error_of("9223372036854775808"), ERANGE);
  EXPECT_EQ(error_of("-9223372036854775809"), ERANGE);
  EXPECT_EQ(error_of("99999999999999999999999"), ERANGE);
  EXPECT_EQ(error_of("99999999999999999999999x"), EINVAL);
  EXPECT_EQ(parse_number("2", 0, 1).error_code(), ERANGE);
  EXPECT_EQ(parse_number("-1", 0, 1).error_code(), ERANGE);
}

}  // namespace
}  // namespace warren::group
