package auditlog

// Readme goes into every evidence folder as ReadmeFile.
const Readme = `This folder is evidence exported from a hoop gateway: its audit log, and the
recordings of sessions that the log commits to.

  checkpoint      what the gateway's signature vouches for: the log's name, its
                  number of events, and the hash of them all
  key.pub         the public key of that signature
  tile/entries/   the events, as JSON
  tile/0/ ...     hashes that tie each event to the checkpoint
  recordings/     one encrypted file per session

To verify it, without the gateway and without a network:

  hoopctl audit verify . --key KEY

KEY is the log's public key as you got it from the gateway's administrator, by
another way than this folder. Without --key the key in this folder is used, and the
folder vouches only for itself.

If you kept the checkpoint file of an earlier export, or a witness did, add

  --checkpoint FILE

and the verifier proves that this log still contains, unchanged and in place,
everything that was in it then.

The formats are public: C2SP tlog-tiles, tlog-checkpoint and signed-note, with
RFC 6962 hashing. Any tool for them can check the log.
`
