#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/event_rules.h"
#include "base/glob.h"
#include "base/ids.h"
#include "base/log_throttle.h"
#include "base/lru_cache.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/scheduler.h"
#include "base/testing.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/wait_group.h"

namespace belfry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

bool IsAnyOf(char c, std::string_view alphabet) {
  return alphabet.find(c) != std::string_view::npos;
}

TEST(FakeClock, StandsStillUntilMoved) {
  FakeClock clock(absl::UnixEpoch());
  EXPECT_EQ(clock.Now(), absl::UnixEpoch());
  clock.Advance(absl::Seconds(3));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(3));
}

TEST(SystemClock, DoesNotGoBack) {
  const SystemClock clock;
  const absl::Time before = clock.Now();
  EXPECT_GT(before, absl::FromUnixSeconds(1'700'000'000));
  EXPECT_LE(before, clock.Now());
}

TEST(Scheduler, RunsWhatIsDueInOrderOfTime) {
  const SystemClock clock;
  const std::unique_ptr<Scheduler> scheduler = NewScheduler(&clock);
  std::vector<int> ran;  // By the scheduler's one thread.
  std::promise<void> done;
  const absl::Time soon = clock.Now() + absl::Milliseconds(20);
  const auto last = scheduler->At(soon + absl::Milliseconds(2), [&] {
    ran.push_back(3);
    done.set_value();
  });
  const auto second = scheduler->At(soon + absl::Milliseconds(1), [&ran] { ran.push_back(2); });
  const auto first = scheduler->At(absl::InfinitePast(), [&ran] { ran.push_back(1); });
  done.get_future().wait();
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
  EXPECT_GE(clock.Now(), soon);
}

TEST(Scheduler, WhatIsCalledOffNeverRuns) {
  const SystemClock clock;
  bool ran = false;
  {
    const std::unique_ptr<Scheduler> scheduler = NewScheduler(&clock);
    scheduler->At(clock.Now() + absl::Milliseconds(5), [&ran] { ran = true; }).reset();
    std::promise<void> later;
    const auto timer =
        scheduler->At(clock.Now() + absl::Milliseconds(10), [&later] { later.set_value(); });
    later.get_future().wait();
  }
  EXPECT_FALSE(ran);
}

TEST(Scheduler, CallingOffWaitsForWorkThatRuns) {
  const SystemClock clock;
  const std::unique_ptr<Scheduler> scheduler = NewScheduler(&clock);
  std::promise<void> running;
  std::promise<void> go_on;
  std::atomic<bool> ended = false;
  std::unique_ptr<Timer> timer = scheduler->At(absl::InfinitePast(), [&] {
    running.set_value();
    go_on.get_future().wait();
    ended = true;
  });
  running.get_future().wait();
  std::thread other([&go_on] { go_on.set_value(); });
  timer.reset();
  EXPECT_TRUE(ended);
  other.join();
}

TEST(Scheduler, WorkMayDestroyItsOwnTimerAndMakeAnother) {
  const SystemClock clock;
  const std::unique_ptr<Scheduler> scheduler = NewScheduler(&clock);
  std::promise<void> done;
  std::mutex mutex;
  std::unique_ptr<Timer> timer;
  {
    std::lock_guard lock(mutex);
    timer = scheduler->At(clock.Now(), [&] {
      std::lock_guard inner(mutex);
      timer = scheduler->At(clock.Now(), [&done] { done.set_value(); });
    });
  }
  done.get_future().wait();
}

TEST(Scheduler, EndsWithWorkStillWaiting) {
  const SystemClock clock;
  const std::unique_ptr<Scheduler> scheduler = NewScheduler(&clock);
  const auto never = scheduler->At(absl::InfiniteFuture(), [] { FAIL(); });
}

TEST(FakeScheduler, RunsWhatComesDueOnTheWayEachAtItsTime) {
  FakeClock clock(absl::UnixEpoch());
  FakeScheduler scheduler(&clock);
  std::vector<absl::Time> ran;
  std::unique_ptr<Timer> again;
  const auto timer = scheduler.At(absl::FromUnixSeconds(2), [&] {
    ran.push_back(clock.Now());
    again = scheduler.At(absl::FromUnixSeconds(3), [&] { ran.push_back(clock.Now()); });
  });
  scheduler.At(absl::FromUnixSeconds(1), [] { FAIL(); }).reset();
  scheduler.Advance(absl::Seconds(1));
  EXPECT_TRUE(ran.empty());
  EXPECT_EQ(scheduler.Next(), absl::FromUnixSeconds(2));
  scheduler.Advance(absl::Seconds(9));
  EXPECT_THAT(ran, ElementsAre(absl::FromUnixSeconds(2), absl::FromUnixSeconds(3)));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(10));
}

TEST(Duration, IsReadAsVaultsClientsWriteIt) {
  EXPECT_EQ(ParseDuration(""), absl::ZeroDuration());
  EXPECT_EQ(ParseDuration("3600"), absl::Hours(1));
  EXPECT_EQ(ParseDuration("-5"), absl::Seconds(-5));
  EXPECT_EQ(ParseDuration("1h0m0s"), absl::Hours(1));
  EXPECT_EQ(ParseDuration("2d"), absl::Hours(48));
  for (const char* text : {"soon", "1.5", "d", "1d2h", "inf", "+-1", " 1", "9999999999999"}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << text;
  }
  EXPECT_EQ(DurationOfSeconds(INT64_MAX), std::nullopt);
}

TEST(Duration, IsWrittenWithoutPartsThatAreZero) {
  EXPECT_EQ(DurationText(absl::ZeroDuration()), "0s");
  EXPECT_EQ(DurationText(absl::Hours(768)), "768h");
  EXPECT_EQ(DurationText(absl::Minutes(90)), "1h30m");
  EXPECT_EQ(DurationText(absl::Hours(1) + absl::Seconds(5)), "1h5s");
  EXPECT_EQ(DurationText(absl::Seconds(61)), "1m1s");
}

TEST(Ids, AUuidIsLowerCaseHexInFiveGroups) {
  const std::string uuid = NewUuid();
  ASSERT_EQ(uuid.size(), 36u);
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    EXPECT_TRUE(IsAnyOf(uuid[i], dash ? "-" : "0123456789abcdef")) << uuid;
  }
}

TEST(Ids, AnAccessorBeginsWithItsType) {
  const std::string accessor = NewMountAccessor("kv");
  EXPECT_EQ(accessor.size(), 11u);
  EXPECT_TRUE(accessor.starts_with("kv_")) << accessor;
}

TEST(Ids, Base62HasTheLengthAskedForAndOnlyLettersAndDigits) {
  EXPECT_EQ(RandomBase62(0), "");
  std::set<char> seen;
  for (const char c : RandomBase62(10'000)) seen.insert(c);
  // Of 10,000 fair characters none of 62 is missing, but for a chance of 1e-69.
  EXPECT_EQ(std::string(seen.begin(), seen.end()),
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

TEST(Ids, NoTwoAreEqual) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(NewUuid());
  EXPECT_EQ(ids.size(), 1000u);
}

// The wall clock that an operator has set, beside the machine's own time.
class SetClock final : public Clock {
 public:
  std::atomic<std::int64_t> hours = 0;
  absl::Time Now() const override { return absl::Now() + absl::Hours(1) * hours.load(); }
  SteadyTime Steady() const override { return SteadyTime::Now(); }
};

TEST(Scheduler, ADelayPassesWhateverTheWallClockIsSetTo) {
  SetClock clock;
  const std::unique_ptr<Scheduler> scheduler = NewScheduler(&clock);
  for (const int hours : {-1, 1, -1000}) {
    std::promise<void> ran;
    const auto timer = scheduler->After(absl::Milliseconds(5), [&ran] { ran.set_value(); });
    const auto never = scheduler->After(absl::Hours(2), [] { FAIL(); });
    clock.hours = hours;
    ran.get_future().wait();
  }
}

TEST(FakeScheduler, ADelayPassesWhateverTheWallClockIsSetTo) {
  FakeClock clock(absl::FromUnixSeconds(1'000'000));
  FakeScheduler scheduler(&clock);
  int ran = 0;
  const auto delay = scheduler.After(absl::Minutes(1), [&ran] { ++ran; });
  const auto time = scheduler.At(clock.Now() + absl::Hours(1), [&ran] { ran += 10; });
  clock.SetWallClock(clock.Now() - absl::Hours(5));
  scheduler.Advance(absl::Seconds(59));
  EXPECT_EQ(ran, 0);
  scheduler.Advance(absl::Seconds(1));
  EXPECT_EQ(ran, 1);
  clock.SetWallClock(clock.Now() + absl::Hours(6));
  scheduler.Advance();
  EXPECT_EQ(ran, 11);
}

TEST(SteadyTime, InfinitiesStayWhatTheyAre) {
  EXPECT_EQ(SteadyTime::InfiniteFuture() + absl::Hours(1), SteadyTime::InfiniteFuture());
  EXPECT_EQ(SteadyTime::InfinitePast() + absl::Hours(1), SteadyTime::InfinitePast());
  EXPECT_EQ(SteadyTime::InfiniteFuture() - SteadyTime::Now(), absl::InfiniteDuration());
  EXPECT_LT(SteadyTime::InfinitePast(), SteadyTime::Now());
  EXPECT_EQ(SteadyTime::InfiniteFuture().ToChrono(), std::chrono::steady_clock::time_point::max());
}

TEST(Metrics, WhatIsDroppedIsNotShownAndBeginsAgain) {
  const std::unique_ptr<Metrics> metrics = NewMetrics();
  metrics->GetCounter("c", "", {{"mount", "a/"}, {"code", "1"}}).Increment();
  metrics->GetCounter("c", "", {{"mount", "b/"}}).Increment();
  metrics->GetGauge("g", "", {{"mount", "a/"}}).Add(1);
  metrics->GetGauge("g", "", {{"other", "a/"}}).Add(1);
  metrics->Drop("mount", "a/");
  const std::string text = metrics->PrometheusText();
  EXPECT_EQ(text.find("mount=\"a/\""), std::string::npos) << text;
  EXPECT_NE(text.find("mount=\"b/\""), std::string::npos) << text;
  EXPECT_NE(text.find("other=\"a/\""), std::string::npos) << text;
  EXPECT_EQ(metrics->GetCounter("c", "", {{"mount", "a/"}, {"code", "1"}}).Value(), 0u);
}

TEST(WaitGroup, WhoWaitsGoesOnWhenTheLastHasLeft) {
  WaitGroup group;
  group.Wait();  // Nobody is inside.
  group.Add();
  group.Add();
  std::atomic<bool> left = false;
  std::thread leaver([&] {
    group.Done();
    left = true;
    group.Done();
  });
  group.Wait();
  EXPECT_TRUE(left);
  leaver.join();
}

TEST(CondVar, TellsThatTheDeadlinePassed) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(&mutex);
  EXPECT_FALSE(never.WaitUntil(&mutex, std::chrono::steady_clock::time_point::min()));
}

TEST(LogThrottle, LetsABurstPassThenOneEachIntervalAndCountsTheRest) {
  using Seconds = std::chrono::seconds;
  const LogThrottle::Clock::time_point begin{Seconds(100)};
  LogThrottle throttle(3, Seconds(10));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(throttle.Take(begin), 0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(throttle.Take(begin + Seconds(9)), std::nullopt);
  EXPECT_EQ(throttle.Take(begin + Seconds(10)), 5);
  EXPECT_EQ(throttle.Take(begin + Seconds(10)), std::nullopt);
  // A quiet time allows no more than another burst.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(throttle.Take(begin + Seconds(1000)), i == 0 ? 1 : 0);
  EXPECT_EQ(throttle.Take(begin + Seconds(1000)), std::nullopt);
}

TEST(EventRules, AnIdMayBeEmptyAndIsCharactersThatShow) {
  for (const std::string_view id : {"", "1", "0d6a9d5e-8b1f-4a3c-9c1e-2f6a7b8c9d0e", "ä/… x"})
    EXPECT_EQ(CheckEventId(id), absl::OkStatus()) << id;
  EXPECT_EQ(CheckEventId(std::string(128, 'x')), absl::OkStatus());
  EXPECT_EQ(CheckEventId(std::string(129, 'x')),
            absl::InvalidArgumentError("an event id may have 128 bytes, this one has 129"));
  // The last turn round what follows, or are invisible.
  for (const std::string_view id : {"a\n", "\x7f", "\xc2\x85",
                                    "\xe2\x80\xae"
                                    "abc",
                                    "\xe2\x80\x8b", "\xef\xbb\xbf"})
    EXPECT_EQ(CheckEventId(id),
              absl::InvalidArgumentError("the event's id has a character that does not show"));
  EXPECT_EQ(CheckEventId("a\xff"), absl::InvalidArgumentError("the event's id is not UTF-8"));
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameCounter) {
  const std::unique_ptr<Metrics> metrics = NewMetrics();
  Counter& a = metrics->GetCounter("c_total", "C.", {{"reason", "a"}});
  Counter& b = metrics->GetCounter("c_total", "C.", {{"reason", "b"}});
  a.Increment();
  a.Add(4);
  EXPECT_EQ(&metrics->GetCounter("c_total", "C.", {{"reason", "a"}}), &a);
  EXPECT_EQ(a.Value(), 5u);
  EXPECT_EQ(b.Value(), 0u);
}

TEST(Metrics, AreShownInPrometheusText) {
  const std::unique_ptr<Metrics> metrics = NewMetrics();
  metrics->GetCounter("events_total", "Events.", {{"reason", "x"}}).Add(2);
  Gauge& open = metrics->GetGauge("open", "Open ones.");
  open.Add(3);
  open.Add(-1);
  EXPECT_EQ(open.Value(), 2);
  const std::string text = metrics->PrometheusText();
  EXPECT_THAT(text, HasSubstr("# HELP events_total Events.\n# TYPE events_total counter\n"));
  EXPECT_THAT(text, HasSubstr("events_total{reason=\"x\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE open gauge\nopen 2\n"));
}

TEST(Metrics, ThreadsLoseNoCount) {
  const std::unique_ptr<Metrics> metrics = NewMetrics();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&metrics] {
      for (int i = 0; i < 1000; ++i) metrics->GetCounter("c_total", "C.").Increment();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(metrics->GetCounter("c_total", "C.").Value(), 4000u);
}

TEST(GlobMatches, OnlyTheStarIsSpecial) {
  struct Case {
    const char* pattern;
    const char* text;
    bool matches;
  };
  for (const Case& c : std::initializer_list<Case>{{"", "", true},
                                                   {"", "a", false},
                                                   {"*", "", true},
                                                   {"*", "kv-v2/data-write", true},
                                                   {"kv*", "kv-v2/data-write", true},
                                                   {"kv*", "kv", true},
                                                   {"kv*", "ldap/x", false},
                                                   {"*-write", "kv-v2/data-write", true},
                                                   {"kv*data*", "kv-v2/data-write", true},
                                                   {"k*/*-patch", "kv-v2/data-patch", true},
                                                   {"k*/*-patch", "kv-v2/data-patched", false},
                                                   {"a*b*c", "aXbYbZc", true},
                                                   {"a*b*c", "aXc", false},
                                                   {"**", "x", true},
                                                   {"kv?", "kv1", false},
                                                   {"kv?", "kv?", true},
                                                   {"[k]v", "kv", false},
                                                   {"KV*", "kv", false}}) {
    EXPECT_EQ(GlobMatches(c.pattern, c.text), c.matches) << c.pattern << " " << c.text;
  }
}

// Against every text of up to four letters.
TEST(GlobsOverlap, SomeTextMatchesBoth) {
  std::vector<std::string> texts = {""};
  for (std::size_t i = 0; texts[i].size() < 4; ++i) {
    for (const char letter : {'a', 'b'}) texts.push_back(texts[i] + letter);
  }
  const std::vector<std::string> patterns = {"",     "*",   "a",   "b",   "ab",   "a*",
                                             "*a",   "*b",  "b*",  "a*b", "*a*b", "**a",
                                             "*ab*", "a*a", "ba*", "b*a*"};
  for (const std::string& a : patterns) {
    for (const std::string& b : patterns) {
      const bool overlap = std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
        return GlobMatches(a, text) && GlobMatches(b, text);
      });
      EXPECT_EQ(GlobsOverlap(a, b), overlap) << a << " " << b;
    }
  }
}

TEST(ParseBool, TakesWhatGoTakesAndNothingElse) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) EXPECT_EQ(ParseBool(yes), true);
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) EXPECT_EQ(ParseBool(no), false);
  for (const char* neither : {"", "tRUE", "yes", " true", "2"}) {
    EXPECT_EQ(ParseBool(neither), std::nullopt) << neither;
  }
}

TEST(Utf8, EveryCharacterComesBackAsItWent) {
  for (const char32_t code : {U'a', U'\x7f', U'\x80', U'\u07ff', U'\u0800', U'\ud7ff', U'\ue000',
                              U'\uffff', U'\U00010000', U'\U0010ffff'}) {
    std::string text;
    AppendUtf8(code, &text);
    const Utf8Character first = FirstCharacter(text + "x");
    EXPECT_EQ(first.code, code);
    EXPECT_EQ(first.size, text.size());
    EXPECT_TRUE(first.valid);
  }
}

TEST(Utf8, WhatIsNoCharacterIsOneByteAndReplaced) {
  for (const char* text : {"\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80",
                           "\xf5\x80\x80\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    const Utf8Character first = FirstCharacter(text);
    EXPECT_FALSE(first.valid) << text;
    EXPECT_EQ(first.size, 1u) << text;
    EXPECT_EQ(first.code, U'\ufffd') << text;
  }
  std::string text;
  AppendUtf8(0xD800, &text);
  AppendUtf8(0x110000, &text);
  EXPECT_EQ(text, "\ufffd\ufffd");
}

TEST(Utf8, ValidTextIsLeftAlone) {
  for (const char* text : {"", "plain", "\x7f", "é", "€", "\xf0\x9f\x94\x94", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
    EXPECT_EQ(ValidUtf8(text), text);
  }
}

TEST(Utf8, EveryByteThatBeginsNoCharacterIsReplaced) {
  EXPECT_EQ(ValidUtf8("a\xff"
                      "b"),
            "a\ufffdb");
  EXPECT_EQ(ValidUtf8("x\xc3"), "x\ufffd");                              // cut short
  EXPECT_EQ(ValidUtf8("\xe2\x82"), "\ufffd\ufffd");                      // cut short
  EXPECT_EQ(ValidUtf8("\xc0\xaf"), "\ufffd\ufffd");                      // overlong
  EXPECT_EQ(ValidUtf8("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");            // a surrogate
  EXPECT_EQ(ValidUtf8("\xf4\x90\x80\x80"), "\ufffd\ufffd\ufffd\ufffd");  // beyond U+10FFFF
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_FALSE(IsUtf8(all));
  EXPECT_TRUE(IsUtf8(ValidUtf8(all)));
}

TEST(LruCache, KeepsWhatWasUsedLast) {
  LruCache<int> cache(3 * LruCache<int>::BytesOf("a"));
  cache.Put("a", 1);
  cache.Put("b", 2);
  cache.Put("c", 3);
  EXPECT_EQ(*cache.Find("a"), 1);
  cache.Put("d", 4);
  EXPECT_EQ(cache.Find("b"), nullptr);
  EXPECT_EQ(*cache.Find("a"), 1);
  EXPECT_EQ(*cache.Find("c"), 3);
  EXPECT_EQ(*cache.Find("d"), 4);
}

TEST(LruCache, IsBoundedInBytes) {
  LruCache<int> cache(10'000);
  for (int i = 0; i < 1000; ++i) {
    cache.Put(std::to_string(i), i, static_cast<std::size_t>(i));
    EXPECT_LE(cache.bytes(), 10'000u);
    EXPECT_EQ(*cache.Find(std::to_string(i)), i);
  }
  cache.Put("large", 0, 10'000);
  EXPECT_EQ(cache.Find("large"), nullptr);
  EXPECT_GT(cache.size(), 0u);
}

TEST(LruCache, AValueTakesThePlaceOfTheOneBefore) {
  LruCache<int> cache(10'000);
  cache.Put("a", 1, 5000);
  cache.Put("a", 2, 10);
  EXPECT_EQ(*cache.Find("a"), 2);
  EXPECT_EQ(cache.bytes(), LruCache<int>::BytesOf("a") + 10);
  cache.Put("b", 3);
  cache.Erase("a");
  EXPECT_EQ(cache.Find("a"), nullptr);
  EXPECT_EQ(cache.bytes(), LruCache<int>::BytesOf("b"));
  cache.TakeIf([](int) { return true; });
  EXPECT_EQ(cache.Find("b"), nullptr);
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace belfry
