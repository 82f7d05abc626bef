#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace belfry {
namespace {

class PrometheusCounter final : public Counter {
 public:
  explicit PrometheusCounter(prometheus::Counter* counter) : counter_(counter) {}
  void Add(std::uint64_t amount) override { counter_->Increment(static_cast<double>(amount)); }
  std::uint64_t Value() const override { return static_cast<std::uint64_t>(counter_->Value()); }
  prometheus::Counter* raw() const { return counter_; }

 private:
  prometheus::Counter* const counter_;  // The registry's.
};

class PrometheusGauge final : public Gauge {
 public:
  explicit PrometheusGauge(prometheus::Gauge* gauge) : gauge_(gauge) {}
  void Add(std::int64_t amount) override { gauge_->Increment(static_cast<double>(amount)); }
  std::int64_t Value() const override { return static_cast<std::int64_t>(gauge_->Value()); }
  prometheus::Gauge* raw() const { return gauge_; }

 private:
  prometheus::Gauge* const gauge_;  // The registry's.
};

// The instruments of one kind, each family under its name.
template <typename Raw, typename Wrapper>
class Instruments {
 public:
  using Builder = prometheus::detail::Builder<Raw>;

  Wrapper& Get(prometheus::Registry& registry, const Builder& builder, std::string_view name,
               std::string_view help, const MetricLabels& labels) {
    auto family = families_.find(name);
    if (family == families_.end()) {
      auto& made =
          Builder(builder).Name(std::string(name)).Help(std::string(help)).Register(registry);
      family = families_.emplace(std::string(name), Family{&made, {}}).first;
    }
    std::unique_ptr<Wrapper>& instrument = family->second.members[labels];
    if (!instrument) instrument = std::make_unique<Wrapper>(&family->second.raw->Add(labels));
    return *instrument;
  }

  void Drop(const std::string& label, std::string_view value) {
    for (auto& [name, family] : families_) {
      std::erase_if(family.members, [&](const auto& member) {
        const auto& [labels, instrument] = member;
        const auto found = labels.find(label);
        if (found == labels.end() || found->second != value) return false;
        family.raw->Remove(instrument->raw());
        return true;
      });
    }
  }

 private:
  struct Family {
    prometheus::Family<Raw>* raw;  // The registry's.
    std::map<MetricLabels, std::unique_ptr<Wrapper>> members;
  };
  std::map<std::string, Family, std::less<>> families_;
};

class PrometheusMetrics final : public Metrics {
 public:
  Counter& GetCounter(std::string_view name, std::string_view help,
                      const MetricLabels& labels) override {
    MutexLock lock(&mutex_);
    return counters_.Get(registry_, prometheus::BuildCounter(), name, help, labels);
  }

  Gauge& GetGauge(std::string_view name, std::string_view help,
                  const MetricLabels& labels) override {
    MutexLock lock(&mutex_);
    return gauges_.Get(registry_, prometheus::BuildGauge(), name, help, labels);
  }

  void Drop(std::string_view label, std::string_view value) override {
    MutexLock lock(&mutex_);
    counters_.Drop(std::string(label), value);
    gauges_.Drop(std::string(label), value);
  }

  std::string PrometheusText() const override {
    return prometheus::TextSerializer().Serialize(registry_.Collect());
  }

 private:
  prometheus::Registry registry_;  // Thread-safe by itself.
  Mutex mutex_;
  Instruments<prometheus::Counter, PrometheusCounter> counters_ ABSL_GUARDED_BY(mutex_);
  Instruments<prometheus::Gauge, PrometheusGauge> gauges_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Metrics> NewMetrics() {
  return std::make_unique<PrometheusMetrics>();
}

}  // namespace belfry
