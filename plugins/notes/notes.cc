#include "plugins/notes/notes.h"

// Keeps a text under each name, and tells subscribers when one changes.
void DefineNotes(belfry::Engine& engine) {
  engine.Describe("Keeps a text under each name, and tells subscribers when one changes.");

  belfry::Route& note = engine.Path("notes/{name}", "One note.");
  note.Param("name", "What the note is called.");
  const auto text = note.Field<std::string>("text", "What to keep.");
  note.Require(text).Sensitive(text);

  note.OnRead([](belfry::Request& req) -> belfry::Result {
    BELFRY_ASSIGN_OR_RETURN(auto stored, req.storage().Get(req.path()));
    if (!stored) return belfry::Response::NotFound();
    return belfry::Response::Data({{"text", *stored}});
  });

  note.OnWrite([text](belfry::Request& req) -> belfry::Result {
    BELFRY_RETURN_IF_ERROR(req.storage().Put(req.path(), req[text]));
    const std::string path(req.path());
    req.events().SendOrLog("notes/write", {.path = path, .data_path = path, .modified = true});
    return belfry::Response::NoContent();
  });

  belfry::Route& notes = engine.Path("notes", "The names of all notes.");
  const auto limit = notes.Field<std::int64_t>("limit", "How many names to show at most.");
  notes.Default(limit, 1000);

  notes.OnList([limit](belfry::Request& req) -> belfry::Result {
    BELFRY_ASSIGN_OR_RETURN(auto names, req.storage().List("notes/"));
    if (req[limit] < 0) return absl::InvalidArgumentError("limit must not be negative");
    if (std::cmp_less(req[limit], names.size())) names.resize(req[limit]);
    return belfry::Response::List(names);
  });
}
