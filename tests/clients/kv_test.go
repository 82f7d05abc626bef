package clients

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

var background = context.Background()

// secrets gives the helper for the mount that a dev server has.
func secrets(t *testing.T) *api.KVv2 { return connect(t).KVv2("secret") }

func put(t *testing.T, kv *api.KVv2, path string, data object, options ...api.KVOption) int {
	t.Helper()
	written := must(kv.Put(background, path, data, options...))(t)
	if written.VersionMetadata.CreatedTime.IsZero() {
		t.Errorf("version %d of %s has no time", written.VersionMetadata.Version, path)
	}
	return written.VersionMetadata.Version
}

// stands claims what a key's version holds; nil is nothing.
func stands(t *testing.T, kv *api.KVv2, path string, version int, data object) *api.KVSecret {
	t.Helper()
	secret := must(kv.GetVersion(background, path, version))(t)
	equal(t, secret.VersionMetadata.Version, version)
	equal(t, secret.Data, data)
	return secret
}

func TestKVv1_PutsGetsListsAndDeletes(t *testing.T) {
	c := connect(t)
	succeeds(t, c.Sys().Mount("old", &api.MountInput{Type: "kv", Options: map[string]string{"version": "1"}}))
	kv := c.KVv1("old")
	succeeds(t, kv.Put(background, "app/db", object{"user": "joe", "port": 5432, "nested": object{"a": []any{1, nil, "ü"}}}))
	secret := must(kv.Get(background, "app/db"))(t)
	equal(t, secret.Data, object{"user": "joe", "port": json.Number("5432"), "nested": object{"a": []any{json.Number("1"), nil, "ü"}}})
	if secret.VersionMetadata != nil {
		t.Errorf("version 1 has no versions, but %v", secret.VersionMetadata)
	}
	equal(t, secret.Raw.LeaseDuration, 2764800)
	equal(t, secret.Raw.Renewable, false)
	succeeds(t, kv.Put(background, "app/db", object{"ttl": "5m"}))
	equal(t, must(kv.Get(background, "app/db"))(t).Raw.LeaseDuration, 300)
	equal(t, must(c.Logical().List("old/app"))(t).Data, object{"keys": []any{"db"}})
	succeeds(t, kv.Delete(background, "app/db"))
	_, err := kv.Get(background, "app/db")
	notFound(t, err)
	refused(t, kv.Put(background, "app/db", object{}), 400, "missing data fields")
}

func TestKVv2_EachPutIsANewVersion(t *testing.T) {
	kv := secrets(t)
	for i, text := range []string{"first", "second", "third"} {
		equal(t, put(t, kv, "app/db", object{"text": text, "number": 12345678901234567}), i+1)
	}
	latest := must(kv.Get(background, "app/db"))(t)
	equal(t, latest.Data, object{"text": "third", "number": json.Number("12345678901234567")})
	equal(t, latest.VersionMetadata.Version, 3)
	equal(t, latest.VersionMetadata.DeletionTime.IsZero(), true)
	equal(t, latest.VersionMetadata.Destroyed, false)
	stands(t, kv, "app/db", 1, object{"text": "first", "number": json.Number("12345678901234567")})
	_, err := kv.GetVersion(background, "app/db", 4)
	notFound(t, err)
	_, err = kv.Get(background, "app/nothing")
	notFound(t, err)
}

func TestKVv2_CheckAndSetLetsOnlyTheExpectedVersionThrough(t *testing.T) {
	kv := secrets(t)
	equal(t, put(t, kv, "a", object{"n": "1"}, api.WithCheckAndSet(0)), 1)
	_, err := kv.Put(background, "a", object{"n": "2"}, api.WithCheckAndSet(0))
	refused(t, err, 400, "check-and-set parameter did not match the current version")
	equal(t, put(t, kv, "a", object{"n": "2"}, api.WithCheckAndSet(1)), 2)
	equal(t, put(t, kv, "a", object{"n": "3"}, api.WithOption("cas", "2")), 3)
	_, err = kv.Put(background, "a", object{"n": "4"}, api.WithOption("cas", "many"))
	refused(t, err, 400, "error parsing check-and-set parameter")
	stands(t, kv, "a", 3, object{"n": "3"})
}

func TestKVv2_BothWaysToPatchKeepWhatIsNotNamed(t *testing.T) {
	for _, method := range []string{"", api.KVMergeMethodPatch, api.KVMergeMethodReadWrite} {
		kv := secrets(t)
		put(t, kv, "a", object{"x": "1", "y": "2"})
		var options []api.KVOption
		if method != "" {
			options = append(options, api.WithMergeMethod(method))
		}
		patched := must(kv.Patch(background, "a", object{"y": "3", "z": "4"}, options...))(t)
		equal(t, patched.VersionMetadata.Version, 2)
		stands(t, kv, "a", 2, object{"x": "1", "y": "3", "z": "4"})
		_, err := kv.Patch(background, "nothing", object{"y": "3"}, options...)
		notFound(t, err)
		succeeds(t, kv.Delete(background, "a"))
		_, err = kv.Patch(background, "a", object{"y": "3"}, options...)
		notFound(t, err)
	}
}

func TestKVv2_APatchHasNullsAndChecksVersions(t *testing.T) {
	kv := secrets(t)
	put(t, kv, "a", object{"x": "1", "y": object{"z": "2", "w": "3"}})
	must(kv.Patch(background, "a", object{"x": nil, "y": object{"z": nil}}, api.WithCheckAndSet(1)))(t)
	stands(t, kv, "a", 2, object{"y": object{"w": "3"}})
	_, err := kv.Patch(background, "a", object{"x": "5"}, api.WithCheckAndSet(1))
	refused(t, err, 400, "check-and-set parameter did not match the current version")
}

func TestKVv2_WhatIsDeletedIsNilUntilItIsUndeleted(t *testing.T) {
	kv := secrets(t)
	for _, text := range []string{"1", "2", "3"} {
		put(t, kv, "a", object{"n": text})
	}
	succeeds(t, kv.Delete(background, "a"))
	latest := must(kv.Get(background, "a"))(t)
	if latest.Data != nil || latest.VersionMetadata.DeletionTime.IsZero() || latest.VersionMetadata.Destroyed {
		t.Errorf("is not deleted: %v %v", latest.Data, latest.VersionMetadata)
	}
	succeeds(t, kv.DeleteVersions(background, "a", []int{1, 7}))
	stands(t, kv, "a", 1, nil)
	stands(t, kv, "a", 2, object{"n": "2"})
	succeeds(t, kv.Undelete(background, "a", []int{1, 3}))
	stands(t, kv, "a", 1, object{"n": "1"})
	stands(t, kv, "a", 3, object{"n": "3"})
	succeeds(t, kv.DeleteVersions(background, "nothing", []int{1}))
	refused(t, kv.Undelete(background, "a", nil), 400, "No version number provided")
}

func TestKVv2_WhatIsDestroyedStaysSo(t *testing.T) {
	kv := secrets(t)
	put(t, kv, "a", object{"n": "1"})
	put(t, kv, "a", object{"n": "2"})
	succeeds(t, kv.Destroy(background, "a", []int{1}))
	succeeds(t, kv.Undelete(background, "a", []int{1}))
	equal(t, stands(t, kv, "a", 1, nil).VersionMetadata.Destroyed, true)
	versions := must(kv.GetVersionsAsList(background, "a"))(t)
	equal(t, len(versions), 2)
	for i, version := range versions {
		equal(t, version.Version, i+1)
		equal(t, version.Destroyed, i == 0)
		equal(t, version.DeletionTime.IsZero(), true)
	}
	refused(t, kv.Destroy(background, "a", nil), 400, "no version number provided")
	_, err := kv.GetVersionsAsList(background, "nothing")
	notFound(t, err)
}

func TestKVv2_ARollbackIsANewVersionOfTheOldData(t *testing.T) {
	kv := secrets(t)
	put(t, kv, "a", object{"n": "1"})
	put(t, kv, "a", object{"n": "2"})
	equal(t, must(kv.Rollback(background, "a", 1))(t).VersionMetadata.Version, 3)
	stands(t, kv, "a", 3, object{"n": "1"})
	succeeds(t, kv.Destroy(background, "a", []int{2}))
	if _, err := kv.Rollback(background, "a", 2); err == nil || !strings.Contains(err.Error(), "invalid rollback version 2") {
		t.Errorf("rolled back to what is destroyed: %v", err)
	}
	_, err := kv.Rollback(background, "a", 9)
	notFound(t, err)
}

func TestKVv2_MetadataIsPutPatchedReadAndDeleted(t *testing.T) {
	kv := secrets(t)
	before := time.Now().Add(-time.Second)
	succeeds(t, kv.PutMetadata(background, "a", api.KVMetadataPutInput{
		CASRequired: true, MaxVersions: 3, DeleteVersionAfter: 90 * time.Minute, CustomMetadata: object{"owner": "joe", "team": "red"}}))
	_, err := kv.Put(background, "a", object{"n": "1"})
	refused(t, err, 400, "check-and-set parameter required for this call")
	for i := range 5 {
		put(t, kv, "a", object{"n": "x"}, api.WithCheckAndSet(i))
	}
	metadata := must(kv.GetMetadata(background, "a"))(t)
	equal(t, metadata.CASRequired, true)
	equal(t, metadata.MaxVersions, 3)
	equal(t, metadata.DeleteVersionAfter, 90*time.Minute)
	equal(t, metadata.CustomMetadata, object{"owner": "joe", "team": "red"})
	equal(t, []int{metadata.CurrentVersion, metadata.OldestVersion, len(metadata.Versions)}, []int{5, 3, 3})
	if metadata.CreatedTime.Before(before) || metadata.UpdatedTime.Before(metadata.CreatedTime) {
		t.Errorf("created %v, updated %v", metadata.CreatedTime, metadata.UpdatedTime)
	}
	fifth := metadata.Versions["5"]
	equal(t, fifth.DeletionTime.Sub(fifth.CreatedTime), 90*time.Minute)
	secret := must(kv.Get(background, "a"))(t)
	equal(t, secret.CustomMetadata, object{"owner": "joe", "team": "red"})

	off, never, five := false, time.Duration(0), 5
	succeeds(t, kv.PatchMetadata(background, "a", api.KVMetadataPatchInput{CASRequired: &off, CustomMetadata: object{"team": nil, "floor": "2"}}))
	succeeds(t, kv.PatchMetadata(background, "a", api.KVMetadataPatchInput{MaxVersions: &five, DeleteVersionAfter: &never}))
	metadata = must(kv.GetMetadata(background, "a"))(t)
	equal(t, metadata.CustomMetadata, object{"owner": "joe", "floor": "2"})
	equal(t, metadata.CASRequired, false)
	equal(t, metadata.MaxVersions, 5)
	equal(t, metadata.DeleteVersionAfter, never)
	succeeds(t, kv.PatchMetadata(background, "a", api.KVMetadataPatchInput{CustomMetadata: object{}}))
	equal(t, must(kv.GetMetadata(background, "a"))(t).CustomMetadata, object(nil))
	refused(t, kv.PatchMetadata(background, "nothing", api.KVMetadataPatchInput{MaxVersions: &five}), 404)

	succeeds(t, kv.DeleteMetadata(background, "a"))
	_, err = kv.GetMetadata(background, "a")
	notFound(t, err)
	equal(t, put(t, kv, "a", object{"n": "1"}), 1)
}

func TestKVv2_MetadataOverItsLimitsIsRefused(t *testing.T) {
	kv := secrets(t)
	err := kv.PutMetadata(background, "a", api.KVMetadataPutInput{CustomMetadata: object{strings.Repeat("k", 129): "v"}})
	refused(t, err, 400, "1 error occurred:\n\t* custom_metadata validation failed: length of key \""+strings.Repeat("k", 129)+
		"\" is 129 but must be 0 < len(key) <= 128\n\n")
	err = kv.PutMetadata(background, "a", api.KVMetadataPutInput{DeleteVersionAfter: -time.Second})
	refused(t, err, 400, "error converting input for field \"delete_version_after\": cannot provide negative value '-1'")
	_, err = kv.GetMetadata(background, "a")
	notFound(t, err)
}
