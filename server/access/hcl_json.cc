#include "server/access/hcl_json.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"
#include "base/utf8.h"
#include "server/access/hcl_cursor.h"

namespace belfry::access::hcl {
namespace {

constexpr char32_t kEnd = Cursor::kEnd;

// Every method is false when it has left an error.
class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : cursor_(text) {}

  absl::StatusOr<std::vector<Item>> Parse() {
    Value root;
    SkipBlanks();
    bool read = ReadValue(&root);
    if (read) {
      SkipBlanks();
      if (cursor_.Next() != kEnd) read = Fail("expected the end of the text behind the object");
    }
    if (cursor_.error()) return *cursor_.error();
    return std::move(root.object);
  }

 private:
  bool Fail(std::string_view what) {
    // What was wrong with a character says more than what it leads to.
    if (!cursor_.error()) cursor_.Fail(what);
    return false;
  }

  void SkipBlanks() {
    constexpr std::u32string_view kBlanks = U" \t\n\r";
    for (char32_t c = cursor_.Peek(); c != kEnd && kBlanks.find(c) != kBlanks.npos;
         c = cursor_.Peek()) {
      cursor_.Next();
    }
  }

  // Its first character is the next one.
  bool ReadValue(Value* value) {
    const char32_t first = cursor_.Next();
    value->position = cursor_.position();
    switch (first) {
      case '{':
        return ReadObject(value);
      case '[':
        return ReadList(value);
      case '"':
        return ReadString(&value->text);
      case 't':
        return ReadWord("rue", Value::Kind::kBool, value);
      case 'f':
        return ReadWord("alse", Value::Kind::kBool, value);
      // It stands for the empty string, as in HashiCorp's parser.
      case 'n':
        return ReadWord("ull", Value::Kind::kString, value);
      default:
        return ReadNumber(first, value);
    }
  }

  bool ReadWord(std::string_view rest, Value::Kind kind, Value* value) {
    const std::size_t start = cursor_.start();
    for (const char c : rest) {
      if (cursor_.Next() != static_cast<unsigned char>(c)) return Fail("illegal char");
    }
    value->kind = kind;
    if (kind == Value::Kind::kBool) value->text = cursor_.Slice(start, cursor_.end());
    return true;
  }

  bool SkipDigits() {
    bool any = false;
    for (; cursor_.Peek() >= '0' && cursor_.Peek() <= '9'; any = true) cursor_.Next();
    return any || Fail("expected a digit");
  }

  bool ReadNumber(char32_t first, Value* value) {
    const std::size_t start = cursor_.start();
    value->kind = Value::Kind::kNumber;
    if (first == '-') first = cursor_.Next();
    if (first < '0' || first > '9') return Fail("illegal char");
    const bool more = cursor_.Peek() >= '0' && cursor_.Peek() <= '9';
    if (first == '0' && more) return Fail("numbers cannot start with 0");
    if (more && !SkipDigits()) return false;
    if (cursor_.Peek() == '.') {
      value->kind = Value::Kind::kFloat;
      cursor_.Next();
      if (!SkipDigits()) return false;
    }
    if (cursor_.Peek() == 'e' || cursor_.Peek() == 'E') {
      value->kind = Value::Kind::kFloat;
      cursor_.Next();
      if (cursor_.Peek() == '+' || cursor_.Peek() == '-') cursor_.Next();
      if (!SkipDigits()) return false;
    }
    value->text = cursor_.Slice(start, cursor_.end());
    return true;
  }

  bool ReadString(std::string* text) {
    for (;;) {
      const char32_t c = cursor_.Next();
      if (c == '"') return true;
      if (c == kEnd || c == '\n') return Fail("literal not terminated");
      if (c < 0x20) return Fail("control character in a string: write it as an escape");
      if (c == '\\') {
        if (!ReadEscape(text)) return false;
      } else {
        AppendUtf8(c, text);
      }
    }
  }

  bool ReadEscape(std::string* text) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char32_t c = cursor_.Next();
    if (c == 'u') return ReadUnicode(text);
    const std::size_t at = c < 0x80 ? kNames.find(static_cast<char>(c)) : std::string_view::npos;
    if (at == std::string_view::npos) return Fail("illegal char escape");
    *text += kMeanings[at];
    return true;
  }

  bool ReadUnicode(std::string* text) {
    char32_t character = 0;
    if (!ReadFour(&character)) return false;
    if (character >= 0xD800 && character < 0xDC00) {
      char32_t low = 0;
      if (cursor_.Next() != '\\' || cursor_.Next() != 'u') return Fail("half a surrogate pair");
      if (!ReadFour(&low)) return false;
      if (low < 0xDC00 || low > 0xDFFF) return Fail("half a surrogate pair");
      character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
    } else if (character >= 0xDC00 && character <= 0xDFFF) {
      return Fail("half a surrogate pair");
    }
    AppendUtf8(character, text);
    return true;
  }

  bool ReadFour(char32_t* character) {
    for (int i = 0; i < 4; ++i) {
      const int digit = DigitValue(cursor_.Next());
      if (digit >= 16) return Fail("illegal char escape");
      *character = *character << 4 | static_cast<char32_t>(digit);
    }
    return true;
  }

  bool Enter() { return ++depth_ <= kMaxDepth || Fail("nested too deeply"); }

  // Whether another element follows; the first character behind it stays.
  bool More(char32_t close, bool first, bool* more) {
    SkipBlanks();
    *more = cursor_.Peek() != close;
    if (!*more) {
      cursor_.Next();
      return true;
    }
    if (first) return true;
    if (cursor_.Next() != ',') {
      return Fail(close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
    }
    SkipBlanks();
    return true;
  }

  bool ReadObject(Value* value) {
    value->kind = Value::Kind::kObject;
    if (!Enter()) return false;
    for (bool more = true;;) {
      if (!More('}', value->object.empty(), &more)) return false;
      if (!more) break;
      if (!ReadMember(&value->object.emplace_back())) return false;
    }
    --depth_;
    return true;
  }

  bool ReadMember(Item* item) {
    if (cursor_.Next() != '"') return Fail("expected a member's name in quotes");
    Key key{.position = cursor_.position()};
    if (!ReadString(&key.text)) return false;
    item->keys.push_back(std::move(key));
    SkipBlanks();
    if (cursor_.Next() != ':') return Fail("expected ':'");
    item->assign = cursor_.position();
    SkipBlanks();
    return ReadValue(&item->value);
  }

  bool ReadList(Value* value) {
    value->kind = Value::Kind::kList;
    if (!Enter()) return false;
    for (bool more = true;;) {
      if (!More(']', value->list.empty(), &more)) return false;
      if (!more) break;
      if (!ReadValue(&value->list.emplace_back())) return false;
    }
    --depth_;
    return true;
  }

  Cursor cursor_;
  int depth_ = 0;
};

bool IsObject(const Value& value) {
  return value.kind == Value::Kind::kObject;
}

void Flatten(std::vector<Item>* items);

void FlattenWithin(Value* value) {
  Flatten(&value->object);
  for (Value& element : value->list) FlattenWithin(&element);
}

// Appends the item, or instead of it what it holds when that is nothing but objects: JSON cannot
// say `path "a" {…}`, so {"path": {"a": {…}}} means it.
void AppendFlat(Item item, std::vector<Item>* items) {
  Value& value = item.value;
  if (!value.object.empty() &&
      std::all_of(value.object.begin(), value.object.end(),
                  [](const Item& inner) { return IsObject(inner.value); })) {
    for (Item& inner : value.object) {
      Item flat{item.keys, item.assign, std::move(inner.value)};
      flat.keys.insert(flat.keys.end(), inner.keys.begin(), inner.keys.end());
      AppendFlat(std::move(flat), items);
    }
  } else if (!value.list.empty() && std::all_of(value.list.begin(), value.list.end(), IsObject)) {
    for (Value& element : value.list) {
      AppendFlat({item.keys, item.assign, std::move(element)}, items);
    }
  } else {
    items->push_back(std::move(item));
  }
}

void Flatten(std::vector<Item>* items) {
  std::vector<Item> flat;
  for (Item& item : *items) AppendFlat(std::move(item), &flat);
  *items = std::move(flat);
  for (Item& item : *items) FlattenWithin(&item.value);
}

}  // namespace

absl::StatusOr<std::vector<Item>> ParseJson(std::string_view text) {
  absl::StatusOr<std::vector<Item>> items = JsonParser(text).Parse();
  if (items.ok()) Flatten(&*items);
  return items;
}

}  // namespace belfry::access::hcl
