#include "group/controllers/cpu_list.h"

#include <gtest/gtest.h>

namespace warren::group {
namespace {

// What is read, written again; or the error.
std::string round_trip(std::string_view text, std::size_t size = 8) {
  const Result<CpuSet> set = parse_cpu_list(text, size);
  if (!set) return "errno " + std::to_string(set.error_code());
  return format_cpu_list(*set);
}
std::string failure(int error) { return "errno " + std::to_string(error); }

TEST(CpuList, ReadsLists) {
  EXPECT_EQ(round_trip(""), "");
  EXPECT_EQ(round_trip("0"), "0");
  EXPECT_EQ(round_trip("0-3,7"), "0-3,7");
  EXPECT_EQ(round_trip("7,0,1"), "0-1,7");
  EXPECT_EQ(round_trip("1,2,3"), "1-3");
  EXPECT_EQ(round_trip("3-3"), "3");
  EXPECT_EQ(round_trip(",0,,2,"), "0,2");
  EXPECT_EQ(round_trip("0 1\t5"), "0-1,5");
  EXPECT_EQ(round_trip("00"), "0");
  EXPECT_EQ(round_trip("all"), "0-7");
  EXPECT_EQ(round_trip("N"), "7");
  EXPECT_EQ(round_trip("6-N"), "6-7");
  EXPECT_EQ(round_trip("0-7:1/2"), "0,2,4,6");
  EXPECT_EQ(round_trip("all:2/4"), "0-1,4-5");
  EXPECT_EQ(round_trip("0-7:0/2"), "");
}

TEST(CpuList, RefusesWhatTheKernelRefuses) {
  for (const char* text : {"x", "-1", "0-", "3-1", "+1", "0x1", "0-7:1", "0-7:1/0", "0-7:3/2",
                           "1:1/1", "0-1x", "al"}) {
    EXPECT_EQ(round_trip(text), failure(EINVAL)) << text;
  }
  EXPECT_EQ(round_trip("8"), failure(ERANGE));
  EXPECT_EQ(round_trip("0-8"), failure(ERANGE));
  EXPECT_EQ(round_trip("99999999999"), failure(EOVERFLOW));
}

}  // namespace
}  // namespace warren::group
