#include "sdk/wire/handshake.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sdk/wire/certificate.h"

namespace belfry::wire {
namespace {

using ::testing::HasSubstr;

void ExpectRefused(std::string_view line, std::string_view part_of_message) {
  const absl::StatusOr<Handshake> handshake = ParseHandshake(line);
  EXPECT_EQ(handshake.status().code(), absl::StatusCode::kInvalidArgument) << line;
  EXPECT_THAT(std::string(handshake.status().message()), HasSubstr(std::string(part_of_message)));
}

TEST(HandshakeTest, FormatsByteForByteAsGoPluginDoes) {
  const Handshake handshake{.protocol_version = 5, .network = "unix", .address = "/tmp/plugin1"};
  EXPECT_EQ(FormatHandshake(handshake, ""), "1|5|unix|/tmp/plugin1|grpc|");
  EXPECT_EQ(FormatHandshake(handshake, "MIIC"), "1|5|unix|/tmp/plugin1|grpc|MIIC");
  Handshake multiplexed = handshake;
  multiplexed.multiplexed = false;
  EXPECT_EQ(FormatHandshake(multiplexed, ""), "1|5|unix|/tmp/plugin1|grpc||false");
}

TEST(HandshakeTest, ParsesWhatItFormats) {
  const absl::StatusOr<Certificate> certificate = NewCertificate();
  ASSERT_EQ(certificate.status(), absl::OkStatus());
  const std::string line =
      FormatHandshake({.protocol_version = 5, .network = "tcp", .address = "127.0.0.1:10000"},
                      EncodeHandshakeCertificate(certificate->certificate_der));
  const absl::StatusOr<Handshake> handshake = ParseHandshake(absl::StrCat(line, "\n"));
  ASSERT_EQ(handshake.status(), absl::OkStatus());
  EXPECT_EQ(handshake->protocol_version, 5);
  EXPECT_EQ(handshake->network, "tcp");
  EXPECT_EQ(handshake->address, "127.0.0.1:10000");
  EXPECT_EQ(handshake->certificate_pem, certificate->certificate_pem);
  EXPECT_EQ(handshake->multiplexed, std::nullopt);
}

TEST(HandshakeTest, SeventhPartIsReadAsGoReadsBooleans) {
  EXPECT_EQ(ParseHandshake("1|5|unix|/p|grpc||true")->multiplexed, true);
  EXPECT_EQ(ParseHandshake("1|5|unix|/p|grpc||F")->multiplexed, false);
  ExpectRefused("1|5|unix|/p|grpc||yes", "\"yes\"");
}

TEST(HandshakeTest, ShortSixthPartIsIgnored) {
  const absl::StatusOr<Handshake> handshake = ParseHandshake("1|5|unix|/p|grpc|junk");
  ASSERT_EQ(handshake.status(), absl::OkStatus());
  EXPECT_EQ(handshake->certificate_pem, "");
}

TEST(HandshakeTest, EveryFailureSaysWhatIsWrong) {
  ExpectRefused("", "is empty");
  ExpectRefused("Starting the plugin",
                "\"Starting the plugin\"; a plugin must print nothing before it");
  ExpectRefused("2|5|unix|/p|grpc|", "core version \"2\"");
  ExpectRefused("1|five|unix|/p|grpc|", "protocol version \"five\"");
  ExpectRefused("1|5x|unix|/p|grpc|", "protocol version \"5x\"");
  ExpectRefused("1|5|udp|/p|grpc|", "network \"udp\"");
  ExpectRefused("1|5|unix||grpc|", "no address");
  ExpectRefused(std::string_view("1|5|unix|/p\0q|grpc|", 19), "no control characters");
  ExpectRefused("1|5|unix|/p", "protocol \"netrpc\"");
  ExpectRefused("1|5|unix|/p|netrpc|", "protocol \"netrpc\"");
  ExpectRefused(absl::StrCat("1|5|unix|/p|grpc|", std::string(60, '!')), "not base64");
  ExpectRefused(absl::StrCat("1|5|unix|/p|grpc|", std::string(60, 'A')), "no X.509 certificate");
}

TEST(HandshakeTest, QuotedLinesAreShortAndPrintable) {
  const absl::StatusOr<Handshake> handshake = ParseHandshake(std::string(100000, '\x01'));
  EXPECT_EQ(handshake.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_LT(handshake.status().message().size(), 1200u);
  EXPECT_THAT(std::string(handshake.status().message()), HasSubstr("\\x01"));
}

// The table of conformance case A2. (plugin-protocol 11)
TEST(HandshakeTest, NegotiatesTheHighestCommonVersionElseAnswersTheLowest) {
  const std::vector<int> own = {3, 4, 5};
  EXPECT_EQ(NegotiateVersion("5", own), 5);
  EXPECT_EQ(NegotiateVersion("3,4", own), 4);
  EXPECT_EQ(NegotiateVersion("4,5,3", own), 5);
  EXPECT_EQ(NegotiateVersion("9", own), 3);
  EXPECT_EQ(NegotiateVersion("", own), 3);
  EXPECT_EQ(NegotiateVersion("x,4", own), 4);
  EXPECT_EQ(NegotiateVersion(" 5", own), 3);
  EXPECT_EQ(NegotiateVersion("5", {5}), 5);
}

TEST(HandshakeTest, WhatIsNoVersionIsTold) {
  EXPECT_THAT(MalformedVersions("5,x,4, 3"), testing::ElementsAre("x", " 3"));
  EXPECT_THAT(MalformedVersions("3,4"), testing::IsEmpty());
  EXPECT_THAT(MalformedVersions(""), testing::IsEmpty());
}

}  // namespace
}  // namespace belfry::wire
