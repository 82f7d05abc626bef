#include "plugins/notes/notes.h"

// Keeps one text under each name, and tells subscribers when a text changes.
void DefineNotes(belfry::SecretsEngine& engine) {
  belfry::Route& note = engine.Path("notes/{name}", "One note.");
  const auto text = note.Field<std::string>("text", "What to keep.");

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
}
