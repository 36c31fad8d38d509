"""What is broken, one place of the source each, and the tests that must then fail.

The list in docs/architecture has the rows that were seen to fail; `break.py` prints each as it sees it.
"""

from dataclasses import dataclass


@dataclass
class Break:
    promise: str      # as the design states it
    broken: str       # what the change does, for the list
    file: str
    old: str          # occurs exactly once in the file
    new: str
    tests: str        # GoogleTest filter, FILE.py::NAME of tests/interop, or a test file that must not compile
    release: bool = False  # interop with the program that ships, not the one with sanitizers


ONE_PASS = "one pass, no scratch disk, bounded memory"
VERIFIED = "verified before visible"
ALL_OR_NOTHING = "all or nothing"
RESUMABLE = "resumable"
IMMUTABLE = "immutable versions"
SECRETS = "secrets stay secret"
CLEAR_ENDS = "clear ends"

BREAKS = [
    Break(ONE_PASS, "buffers are handed out beyond the budget",
          "src/dray/transfer/buffers.cc",
          "if (out_ + capacity + then > budget_ && out_ + then > 0) return std::nullopt;", "",
          "BufferPool.NeverHandsOutMoreThanTheBudget"),
    Break(ONE_PASS, "the budget is not what `--memory` says",
          "src/dray/transfer/engine.cc",
          "return options.memory > 2 * kOverhead ? options.memory - kOverhead : kOverhead;",
          "return options.memory * 4;",
          "test_limits.py::test_memory_stays_below_the_limit_whatever_the_size", release=True),
    Break(ONE_PASS, "model bytes pass through a temporary file",
          "src/dray/transfer/engine_fetch.cc",
          "  progress_.fetched(out.size());\n",
          "  progress_.fetched(out.size());\n"
          "  static std::FILE* const spool = std::tmpfile();\n"
          "  std::fwrite(out.data(), 1, out.size(), spool);\n",
          "test_limits.py::test_no_model_byte_is_written_to_a_file"),
    Break(ONE_PASS, "every block is fetched twice",
          "src/dray/transfer/engine_fetch.cc",
          '  failpoint("block-fetched");\n',
          "  read_input(*task.object, {task.chunk->range.offset + in_chunk.offset, in_chunk.length}, out);\n",
          "EngineTest.FaultsCostABlockNotTheFile"),

    Break(VERIFIED, "any SHA-256 is taken for the stated one",
          "src/dray/transfer/hasher.cc",
          'check("SHA-256", unit.digests.sha256, separate_unit_ ? unit_sha_->hex() : whole_.hex());', "{}",
          "EngineTest.NothingIsVisibleBeforeItIsVerified:InputHasherTest.NamesTheFile*"),
    Break(VERIFIED, "any git SHA-1 is taken for the stated one",
          "src/dray/transfer/hasher.cc",
          'check("git SHA-1", unit.digests.git_sha1, unit_git_->hex());', "{}",
          "EngineTest.AWrongByteOnceInASmallFile"),
    Break(VERIFIED, "a pull does not know the manifest's digests",
          "src/dray/release/pull.cc",
          '{file.path, file.size, {file.sha256, ""}}', '{file.path, file.size, {"", ""}}',
          "PullTest.WrongStoredBytesNeverGetAName"),
    Break(VERIFIED, "`verify` takes any bytes of the right length",
          "src/dray/release/verify.cc",
          "if (found.sha256 != file.sha256)", "if (false)",
          "VerifyTest.OneWrongByteIsFound"),
    Break(VERIFIED, "a file is completed as soon as its parts are stored",
          "src/dray/transfer/engine_put.cc",
          "object.state != ObjectState::open || !object.verified || object.held",
          "object.state != ObjectState::open || object.held",
          "EngineTest.NothingIsVisibleWhileItIsHashed"),
    Break(VERIFIED, "a store that made other bytes is believed",
          "src/dray/store/s3_complete.cc",
          "if (fits) return place.describe(spec.key, *there);",
          "return place.describe(spec.key, *there);",
          "S3StoreTest.WrongBytesDoNotKeepAName"),
    Break(VERIFIED, "a source without digests is taken like any other",
          "src/dray/release/import_plan.cc",
          "if (file.digests.any()) continue;", "continue;",
          "ImportTest.ASourceWithoutDigestsIsRefusedUnlessAllowedAndThatIsRecorded"),
    Break(VERIFIED, "what was allowed is not recorded",
          "src/dray/release/import.cc",
          "manifest.allows = plan.allows;", "",
          "ImportTest.ASourceWithoutDigestsIsRefusedUnlessAllowedAndThatIsRecorded"),

    Break(ALL_OR_NOTHING, "weights, the rest and the index do not wait for each other",
          "src/dray/release/import.cc",
          "object.rank = publish_rank(file.entry.path);", "object.rank = 0;",
          "ImportTest.TheManifestComesLast"),
    Break(ALL_OR_NOTHING, "the manifest's key is taken before the bytes are there",
          "src/dray/release/import.cc",
          "  const std::vector<ObjectResult> objects = transfer.run(stop);",
          '  request.store->state().create_if_absent(manifest_key(plan.name, plan.version), "{}", stop);\n'
          "  const std::vector<ObjectResult> objects = transfer.run(stop);",
          "ImportTest.TheManifestComesLast"),
    Break(ALL_OR_NOTHING, "the last look before the manifest sees nothing",
          "src/dray/release/publish.cc",
          "if (file == nullptr) refuse", "if (file == nullptr) continue;\n    if (false) refuse",
          "ImportTest.AnObjectThatAppearsMeanwhileStopsThePublishing"),
    Break(ALL_OR_NOTHING, "the registry is told before the release exists",
          "src/dray/release/import.cc",
          "    result.changed = make_release(request, plan, progress, result, stop);",
          "    if (request.registry != nullptr) register_release(request, result, stop);\n"
          "    result.changed = make_release(request, plan, progress, result, stop);",
          "ImportTest.TheRegistryFollowsTheManifestAndTheAliasFollowsBoth"),
    Break(ALL_OR_NOTHING, "the alias moves before the registry knows the version",
          "src/dray/release/import.cc",
          '    progress.phase("registering");\n',
          '    progress.phase("registering");\n'
          "    if (!request.alias.empty()) move_the_alias(request, plan, result, stop);\n",
          "ImportTest.TheRegistryFollowsTheManifestAndTheAliasFollowsBoth"),
    Break(ALL_OR_NOTHING, "what a killed run left is not taken up",
          "src/dray/transfer/transfer.cc",
          "for (const auto& object : left.objects) known.emplace(object.key, object);", ";",
          "*CrashTest.ACrashAtAnyMomentLeavesTheOldStateOrTheNewOne*"),
    Break(ALL_OR_NOTHING, "what a store lists by whole keys only (MinIO) is not found after a kill",
          "src/dray/transfer/transfer.cc",
          "if (left.empty() && !claim->inherited().empty()) {", "if (left.empty() && false) {",
          "*CrashTest.ACrashAtAnyMomentLeavesTheOldStateOrTheNewOne/1"),
    Break(ALL_OR_NOTHING, "`gc` forgets unfinished uploads",
          "src/dray/release/gc.cc",
          "if (yes) store.abandon(upload, stop);", "",
          "GarbageTest.DeadOnesAreShownAndRemovedOnlyWhenTold"),
    Break(ALL_OR_NOTHING, "`gc` removes without being told to",
          "src/dray/release/gc.cc",
          "if (yes) store.abandon(upload, stop);", "store.abandon(upload, stop);",
          "GarbageTest.DeadOnesAreShownAndRemovedOnlyWhenTold"),
    Break(ALL_OR_NOTHING, "`gc` looks at published releases too",
          "src/dray/release/gc.cc",
          "if (published) break;", "if (published && !yes) break;",
          "GarbageTest.APublishedReleaseIsNeverTouched"),
    Break(ALL_OR_NOTHING, "`gc` takes what a running import has stored",
          "src/dray/release/gc.cc",
          "if (found.alive) busy.insert", "if (false) busy.insert",
          "GarbageTest.LivingTransfersAreLeftAlone"),
    Break(ALL_OR_NOTHING, "strangers' files count as ours",
          "src/dray/transfer/transfer.cc",
          "if (!ours(object, stop))", "if (false)",
          "ImportTest.StrangersFilesAreAConflictAndStayUntouched"),

    Break(RESUMABLE, "parts that the store holds are sent again",
          "src/dray/transfer/engine_open.cc",
          "if (part.index < object.parts.size()) object.parts[part.index].stored = part;",
          "if (part.index > object.parts.size()) object.parts[part.index].stored = part;",
          "EngineTest.GoesOnWhereAnEarlierRunStopped"),
    Break(RESUMABLE, "the saved hash state is not used, so that everything is fetched again",
          "src/dray/transfer/engine_open.cc",
          "if (!present.empty()) go_on_hashing(lock, object);", "",
          "EngineTest.GoesOnWhereAnEarlierRunStopped"),
    Break(RESUMABLE, "a part counts whatever its ETag is now",
          "src/dray/store/s3_upload.cc",
          "if (info.etag != part.etag || info.size != part.size || contradict(info.checksum, right))",
          "if (info.size != part.size)",
          "*StoreSuite.APartThatChangedMeanwhileDoesNotCount/s3*"),
    Break(RESUMABLE, "the claim of a pod that is gone is never over",
          "src/dray/transfer/claim.cc",
          "f.alive = item.age < ttl;", "f.alive = item.age < ttl || !f.key.empty();",
          "ClaimTest.ADeadWritersJournalIsInheritedAndRemovedWithTheFirstSave"),
    Break(RESUMABLE, "a finished import is done again",
          "src/dray/release/import_plan.cc",
          "plan.existing = manifest;", "",
          "ImportTest.AgainIsSuccessWithoutMovingBytes"),

    Break(IMMUTABLE, "other content under a version is success",
          "src/dray/release/import_plan.cc",
          "  if (taken != nullptr)\n    throw",
          "  if (taken != nullptr) {\n    plan.version = wanted;\n    plan.existing = *taken;\n    return;\n  }\n"
          "  if (taken != nullptr)\n    throw",
          "ImportTest.AVersionNeverChanges"),
    Break(IMMUTABLE, "a manifest is written over",
          "src/dray/store/catalog.cc",
          "if (store.state().create_if_absent(key, text, stop)) return true;",
          "store.state().put(key, text, stop);\n    if (i == 0) return true;",
          "StoreCatalog.AVersionNeverChanges"),
    Break(IMMUTABLE, "an object is written over",
          "src/dray/store/s3_complete.cc",
          "options.if_none_match = can.complete_if_absent;", "options.if_none_match = false;",
          "*StoreSuite.CommitNeverOverwritesOtherContentAndLeavesNothing/s3*"),
    Break(IMMUTABLE, "a living writer is overlooked",
          "src/dray/transfer/claim.cc",
          "if (f.key != mine && f.alive) return &f;", "if (f.key == mine && !f.alive) return &f;",
          "ClaimTest.OneWriterAtATime"),
    Break(IMMUTABLE, "a moved alias forgets where it pointed",
          "src/dray/store/alias_log.cc",
          "move.previous = last ? last->version : \"\";", "",
          "StoreCatalog.AMoveIsRecordedWithWhatWasBefore"),

    Break(SECRETS, "a refused flag is repeated with its value",
          "src/dray/cli/parse.cc",
          "const std::string typed(option_part(word));",
          "const std::string typed(option_part(word).empty() ? std::string() : word);",
          "CliParse.SecretsOnTheCommandLineAreRefusedAndNotRepeated"),
    Break(SECRETS, "a configuration file may hold them",
          "src/dray/cli/config.cc",
          "if (!names_a_secret(key.text)) return;", "if (!names_a_secret(key.text) || !key.text.empty()) return;",
          "CliConfig.SecretsAreRefusedWithoutBeingShown"),
    Break(SECRETS, "they can be printed",
          "src/dray/base/secret.h",
          "class Secret {\n public:\n",
          "class Secret {\n public:\n"
          "  friend std::ostream& operator<<(std::ostream& out, const Secret&) { return out; }\n",
          "unit/base/secret_test.cc"),
    Break(SECRETS, "they stay in memory that is given back",
          "src/dray/base/secret.cc",
          "Secret::~Secret() { wipe(value_); }", "Secret::~Secret() = default;",
          "SecretValue.IsWipedWhenItGoesAway"),
    Break(SECRETS, "the log shows the token",
          "src/dray/hub/client.cc",
          '    request.headers.set("Authorization", "Bearer " + known.value.reveal());\n  return request;',
          '    request.headers.set("Authorization", "Bearer " + known.value.reveal());\n'
          '  debug("asking with {}", request.headers.get("Authorization").value_or(""));\n'
          "  return request;",
          "CliHub.TokensAreNeverShown"),
    Break(SECRETS, "an error shows a signed link",
          "src/dray/hub/fetch.cc",
          "refuses the link that the Hub has just given\")\n"
          '          .on("read", name_of(pin, file.path))',
          "refuses the link that the Hub has just given\")\n"
          '          .on("read", at.request.url.text())',
          "HubClient.AHostThatRefusesFreshLinksEndsInAnErrorAndNotInALoop"),
    Break(SECRETS, "the token goes along every redirect",
          "src/dray/hub/client.cc",
          "if (!with_token || !on_hub(request.url)) return request;",
          "static_cast<void>(with_token);",
          "HubClient.BytesComeFromTheSignedLinkWithoutTheToken:HubClient.AWayThatLeftTheHub*"),
    Break(SECRETS, "a listing goes on at another host",
          "src/dray/hub/client.cc",
          "if (next.origin() == request.url.origin()) return next;", "return next;",
          "HubClient.ANextPageElsewhereIsRefusedAndGetsNoRequest"),
    Break(SECRETS, "a redirect of the store is repeated with its query",
          "src/dray/s3/errors.cc",
          "target->substr(0, target->find('?'))", "*target",
          "S3Faults.RedirectsAreNeverFollowed"),

    Break(CLEAR_ENDS, "an exit status and a name change",
          "src/dray/base/error.cc",
          '{Code::gated, "E_GATED", 5}', '{Code::gated, "E_AUTH", 1}',
          "CliHelp.ReferencePagesAreWhatTheTablesSay:Error.EveryCodeHasANameAndAnExitStatus"),
    Break(CLEAR_ENDS, "an error does not say what to do",
          "src/dray/cli/output.cc",
          "if (!hint_of(error).empty()) text +=", "if (false) text +=",
          "CliOutput.ErrorsSayWhatHintAndReference"),
    Break(CLEAR_ENDS, "`--json` gives an error as text",
          "src/dray/cli/output.cc",
          'write(err_, dump_json(error_json(error)) + "\\n");',
          'write(err_, std::string(error.what()) + "\\n");',
          "CliOutput.JsonModeGivesOnlyJson:Cli.ErrorsInJson"),
    Break(CLEAR_ENDS, "a program is not told whether something changed",
          "src/dray/cli/report.cc",
          '{"changed", changed},', '{"moved", changed},',
          "Cli.AFolderBecomesAReleaseAndComesBack"),
    Break(CLEAR_ENDS, "a stopped run ends like a failed one",
          "src/dray/cli/app.cc",
          "return 128 + signals.received();", "return 1;",
          "CliHub.SignalsStopAndTell"),
]


def row_of_the_list(item):
    """The row's line in docs/architecture."""
    tests = [item.tests] if "::" in item.tests else item.tests.split(":")
    return f"| {item.promise} | {item.broken} | {', '.join(f'`{test}`' for test in tests)} |"
