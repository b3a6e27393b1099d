#include "control/framing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace warren::control {
namespace {

struct Pair {
  UniqueFd a, b;
  Pair() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    a.reset(ends[0]);
    b.reset(ends[1]);
  }
};

TEST(Framing, CarriesBodyBlobAndDescriptors) {
  Pair pair;
  UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::string blob("a\0b\xff", 4);
  ASSERT_TRUE(send_all(pair.a.get(), encode_message({{"op", "x"}}, blob), {null.get(), 1}));
  MessageReader reader(kMaxRequest);
  auto message = receive_message(pair.b.get(), reader);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->body["op"], "x");
  EXPECT_EQ(message->blob, blob);
  ASSERT_EQ(message->fds.size(), 2u);
  EXPECT_EQ(fcntl(message->fds[0].get(), F_GETFD), FD_CLOEXEC);
}

TEST(Framing, PutsPiecesTogether) {
  Pair pair;
  std::string bytes = encode_message({{"n", 1}}) + encode_message({{"n", 2}}, "blob");
  std::thread writer([&] {
    for (char byte : bytes) ASSERT_EQ(send(pair.a.get(), &byte, 1, 0), 1);
  });
  MessageReader reader(kMaxRequest);
  for (int n = 1; n <= 2; ++n) {
    auto message = receive_message(pair.b.get(), reader);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->body["n"], n);
  }
  writer.join();
}

TEST(Framing, LargeMessagesPass) {
  Pair pair;
  std::string blob(3 << 20, 'x');
  std::thread writer([&] {
    EXPECT_TRUE(send_all(pair.a.get(), encode_message({{"n", 1}}, blob)));
  });
  MessageReader reader(kMaxRequest);
  auto message = receive_message(pair.b.get(), reader);
  writer.join();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->blob, blob);
}

TEST(Framing, RefusesNonsense) {
  {
    Pair pair;
    ASSERT_EQ(send(pair.a.get(), "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 0), 8);
    MessageReader reader(kMaxRequest);
    EXPECT_EQ(receive_message(pair.b.get(), reader).error_code(), EMSGSIZE);
  }
  {
    Pair pair;
    ASSERT_EQ(send(pair.a.get(), "\2\0\0\0\0\0\0\0{x", 10, 0), 10);
    MessageReader reader(kMaxRequest);
    EXPECT_EQ(receive_message(pair.b.get(), reader).error_code(), EPROTO);
  }
  {
    Pair pair;
    ASSERT_EQ(send(pair.a.get(), "\2\0\0\0", 4, 0), 4);
    pair.a.reset();
    MessageReader reader(kMaxRequest);
    EXPECT_EQ(receive_message(pair.b.get(), reader).error_code(), ECONNRESET);
  }
}

TEST(Framing, BytesThatAreNotUtf8DoNotThrow) {
  std::string bytes = encode_message({{"comm", "\xff\xfe"}});
  EXPECT_NE(bytes.find("\xef\xbf\xbd"), std::string::npos);
}

TEST(Framing, StringsKeepTheirBytes) {
  std::vector<std::string> strings = {"", "a b", "\xff", ""};
  auto back = unpack_strings(pack_strings(strings));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, strings);
  EXPECT_EQ(unpack_strings("no end").error_code(), EPROTO);
}

}  // namespace
}  // namespace warren::control
