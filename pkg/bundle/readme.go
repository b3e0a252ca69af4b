package bundle

// Readme goes into every bundle.
const Readme = `This archive is evidence exported from a hoop gateway: the events of a stretch of
its audit log, what proves that they are in it, and what is needed to read them.

  report.html     start here: what happened, by paragraph of 45 CFR
  report.json     the same for machines
  checkpoint      what the gateway's signature vouches for: the log's name, its
                  number of events, and the hash of them all
  cosigned        the newest checkpoint that witnesses cosigned, if there are any
  outside         events from outside of that stretch, where it rests on them: which of
                  its recordings are gone because their time was over, and what
                  witnesses cosigned
  key.pub         the public key of the gateway's signature
  tile/entries/   the events, as JSON
  tile/0/ ...     hashes that tie each event to the checkpoint
  policies/       the policy texts in force, named by their SHA-256
  recordings/     one encrypted file per session, if they were asked for
  bundle.json     which events, of which time

To verify it, without the gateway and without a network:

  hoopctl audit verify FILE.zip --key KEY

KEY is the log's public key as you got it from the gateway's administrator, by
another way than this archive. Without --key the key in the archive is used, and the
archive vouches only for itself. If you kept a checkpoint from earlier, or a witness
did, export with --checkpoint FILE and verify with --checkpoint FILE: the verifier
then proves that the log still contains, unchanged and in place, all it had then. With
--witness KEY it proves that this witness cosigned.

bundle.json is signed by nobody: compare the time that verify says the archive covers,
and whether recordings are in it, with what you asked for.

The report counts events that support the paragraphs it names. It does not say that
a requirement is met.

The formats are public: C2SP tlog-tiles, tlog-checkpoint, tlog-cosignature and
signed-note, with RFC 6962 hashing.
`
