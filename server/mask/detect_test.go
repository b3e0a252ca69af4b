package mask

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/server/resource"
)

// detectorCases marks what must be found with {braces}; the rest must stay.
var detectorCases = map[string][]string{
	"name": {
		"{Jane Doe}, MD", "Dr. {Quackenbush} agrees", "Dr {Wei} and Dr. notified", "Mrs. {O'Shaughnessy}'s", "Patient: {Smith, John A}.", "{SMITH BROWN}", "NAME: {SMITH, JOHN}",
		"seen by {Maria Lopez} today", "Seen by Infectious Disease", "{Maria} was told", "Will Start Lipitor", "her daughter {Aoife} (phone)", "Dear {Xiomara},", "Hope to wean",
		"{Thaddeus Featherstone} (DOB 1970)", "{Robert J. Featherstone}", "{Anna van der Berg}", "{José Garcia}", "{Mary Smith-Jones}", "signed: {Ngozi Okonkwo}, RN",
		"Parkinson disease", "Allen test", "Foley Catheter", "Wilson disease", "Johns Hopkins Hospital", "Mary Washington Hospital", "Blue Cross Blue Shield", "Physical Therapy",
		"Chief Complaint", "Mother and father", "Patient Denies Pain", "{Dmitri} states", "Rose colored rash", "May discharge", "Spoke with {Ngozi} (sister)", "{John} & {Mary}", "eJohn",
		"Key (name)=(cardio) already exists.", "Key (contact)=({Jane Doe}) is still referenced from table \"rooms\".", "Key (sister)=({Aoife}) conflicts with existing key (sister)=({Aoife}).",
		"Key (nurse, name)=(1, {Maria Lopez}) is duplicated.", "{Alicia Key} (sister)=?", "{Aoife} (sister)=(2)", "{Key} (sister)",
	},
	"address": {
		"at {12 Main Street}, home", "{1234 N. Cherry Hill Rd}.", "{42 W 5th Ave, Apt 3B}.", "{7 Old Mill Lane #12}", "{221B Baker Street}", "{P.O. Box 123}", "{PO Box 9}", "Post box 4",
		"500 mg a day", "12 Weeks Of Therapy", "5 Way", "{100 Broadway Ave}", "3 Times a day drive", "{9 St. Claire Avenue, Unit 4}", "2 Total Knee Replacements",
	},
	"city": {
		"{Springfield}, IL 62704", "{Walla Walla}, WA 99362", "in {Austin}, Texas", "lives in {Zebulon}.", "{Hennepin County}", "{St. Louis County}", "Smith, MD", "{Boston}, MA", "from {Chicago} by car",
		"born 4 May 1961 in {Oshkosh}", "In Texas", "Pain in Chest", "{Naperville} IL 60540", "Jane Doe, RN", "Jackson-Pratt drain", "resident of {Eau Claire}, retired",
	},
	"us-ssn": {
		"{１２３-４５-６７８９}", "{123\u00a045\u00a06789}", "{12\u200b3-45-67\u00ad89}", "SSN {١٢٣٤٥٦٧٨٩}", "{𝟏𝟐𝟑-𝟒𝟓-𝟔𝟕𝟖𝟗}, ok",
		"{&#49;23-45-6789}", "<a>{123&#x2D;45&#45;6789}</a>", "{\\u0031\\u00323-45-6789} \\n", "{123-45-678&#57;}&#32;&", "é {123&#8209;45\\u20116789}", "&#49;23-45-678", "{123\u201045\u20156789}",
		"&#49&#x;\\u00 &", "a\\\\&#", "{123\ufeff-45-6789}", "{123\u201345\u20136789}", "“{123-45-6789}”",
		"{123-45-6789}", "SSN {123-45-6789}.", "x{123-45-6789}y", "{123 45 6789}", "{123.45.6789}", "{123\u201145\u20116789}", "SSN: {123456789}",
		"social security number is {123456789}", "order 123456789", "1234-45-6789", "123-45-67890", "123-456-789", "12-345-6789", "{123-45-6789},{987-65-4321}",
		"{123-45-\n6789}", "{123-\r\n   45-6789}", "ssn: {１２３-\n４５-６７８９}", "123-45\n-6789", "123-\n\n45-6789", "a-\n1", "123-45-6-\n789", "123-\n", "123-\r",
		"5-{123-45-6789}", "é{123-45-6789}", "{000-00-0000}", "tax id {900701234}",
	},
	"email": {
		"{a＠b.org}", "{ｊａｎｅ@b.org}", "{jane&#64;b.org}", "{a\\u0040b.org}", "a&#;b.org", "{a@b&#x2e;org}", "{a@\u200bb.org}", "{a@b.org}", "mail <{jane.doe+x@mail.example.co.uk}>, please", "{a@b.org}.", "a@localhost", "@b.org", "a@b", "a@b.c1", "({a@b.org})", "{ä@ö.de}",
		"{a@b.org}.1", "{x@y.io};{z@y.io}", "a@.org", "to:{a_b%c@d-e.museum}\n",
	},
	"phone": {
		"{(212) 555-0123}", "call {(212)555-0123} now", "{212-555-0123}", "{212.555.0123}", "{212 555 0123}", "{1-212-555-0123}", "{+1 212 555 0123}",
		"{+49 30 901820}", "{+442079460000}", "phone: {555-0123}", "tel {2125550123}", "{212-555-0123 x77}", "{212-555-0123, ext. 77}", "212-555-01234",
		"2125550123", "555-0123", "+1 2", "(212) 55-0123", "123-45-6789", "{212/555-0123}", "{(212) 5550123}", "(212)", "{(212)\n555-0123}", "{212-555-\n0123}", "{212-\n  555-0123}", "(212)\n\n555-0123", "(212)\n",
	},
	"ip": {
		"{10.1.2.3}", "from {192.168.0.1}:5432", "256.1.1.1", "1.2.3", "1.2.3.4.5", "{2001:db8::1}", "[{fe80::1}]", "{::ffff:10.0.0.1}",
		"12:30:45", "std::vector", "a::b::c", "{1:2:3:4:5:6:7:8}", "{10.1.2.3}.",
	},
	"url": {
		"see {https://a.example/p?q=1}.", "{http://x}", "({ftp://h/f})", "{www.example.org/x}, and", "awww.no", "http://", "a:b", "{HTTPS://A.B}", "\"{http://x/y}\"",
	},
	"credit-card": {
		"{4111111111111111}", "{4111 1111 1111 1111}", "{5500-0000-0000-0004}", "{340000000000009}", "4111111111111112", "41111111111111110000000", "1234 {4111 1111 1111 1111}",
		"9111111111111111",
	},
	"iban": {
		"{DE89370400440532013000}", "{DE89 3704 0044 0532 0130 00}", "{GB82WEST12345698765432}", "DE88370400440532013000", "{DE89370400440532013000}, paid", "XDE89370400440532013000",
		"{DE89-3704-0044-0532-0130-00}", "{de89 3704 0044 0532 0130 00}", "DE01370400440532000034", "{DE98370400440532000034}",
	},
	"npi":  {"{1234567893}", "1234567890", "NPI {1234567890}", "NPI: {1234567893}", "3234567893", "12345678931"},
	"dea":  {"{AB1234563}", "AB1234560", "{F91234563}", "1AB1234563", "AB12345634", "DEA {BB1388568}"},
	"vin":  {"{1M8GDM9AXKP042788}", "1M8GDM9A1KP042788", "{5GZCZ43D13S812715}", "VIN:{1m8gdm9axkp042788}.", "A1M8GDM9AXKP042788", "IM8GDM9AXKP042788"},
	"mac":  {"{00:1b:44:11:3a:b7}", "{00-1B-44-11-3A-B7}", "{001b.4411.3ab7}", "00:1b:44:11:3a", "00:1b:44:11:3a:b7c", "00:1b-44:11:3a:b7"},
	"uuid": {"{123e4567-e89b-12d3-a456-426614174000}", "123e4567-e89b-12d3-a456-42661417400", "x123e4567-e89b-12d3-a456-426614174000", "id={123E4567-E89B-12D3-A456-426614174000},"},
	"date": {"{2026-11-23}", "{2026-11-23}T10:00", "{11/23/2026}", "{23.11.2026}", "{1/2/26}", "{23 Nov 2026}", "{November 23, 2026}", "{Nov. 23}", "on {May 5th}", "the {3rd of March 1984}", "{03-MAR-1984}", "DOB {19840312}", "2026", "13/13/2026", "2026-13-01", "1.2.3.4", "20261123", "1/2", "maybe 5", "{12-31-99}", "{2026/1/2}", "{March 2016}", "{Mar. of 2016}", "seen on {7/9}", "resolved {3/12}", "on 1/2 tablet", "on 1/2 NS", "v2.2.35", "DOB {2.2.35}", "{02JAN2006}", "{Monday, January 2nd, 2006}", "2/3 of"},
	"age":  {"{93} years old", "{93}-year-old", "{93} y/o", "aged {93}", "age: {104}", "89 years old", "93 mg", "Age {90}", "1993 years", "{91}yo", "{92} YEARS OLD", "{97} Y/O", "smoked for 91 years", "lived {91} years", "for the past 95 years", "A {９３} y/o"},
	"zip": {
		"{12345-6789}", "Springfield, IL {62704}", "ZIP {62704}", "zip code: {62704}", "62704", "XX 62704", "IL 627045", "CIL 62704", "Ohio {43004}", "Springfield {62704}", "|IL|{62704}|",
		"P.O. Box 12, Smallville {62704}", "12 Main Street, New Smallville, {62704}", "Take 12 Main Tablets 62704", "Smallville 62704", "12 main street, Smallville 62704",
	},
	"mrn": {
		"MRN-{12345678}", "MRN: {AB-12345}", "mrn#{00123}", "medical record number {A1234567}", "Medical record no. {1234}", "MRN 12", "chart {5551234}", "number 12345", "patient id: {77-1234}", "patient_id={12345}", "empi {100200}",
		"DOE, JANE, 03/12/1984, {12345678}.", "03/12/1984 / {A123456}", "12 Mar 1984 | {12-34-56}|x", "1984-03-12;{1234567}", "on 03/12/2024, 250000 IU", "03/12/2024 12345678", "12345678", "12-34-56", "03/12/2024, 12345", "03/12/2024 , 1234567890123",
	},
	"health-plan": {
		"{1EG4-TE5-MK73}", "{1EG4TE5MK73}", "member ID: {ABC123456789}", "subscriber no {12345}", "policy number {XY-99881}", "1SG4TE5MK73", "1EG4TE5MK7", "medicaid {1234567}", "Subscriber Jane Doe, ID {ABC12345}", "group {123}",
	},
	"account": {"account number: {0012345}", "acct# {12-345-678}", "Acct. No. {998877}", "account 12", "CLM*{26463774}*100", "accounts 12345"},
	"license": {"license no. {D1234567}", "DL {A123-4567}", "driver's licence: {99887766}", "certificate {C-4455}", "licensed 1234"},
	"plate":   {"plate {ABC1234}", "registration number {XY123Z}", "plate ABC12", "license plate {CQO 1443}", "tag {7ABC123}"},
	"device":  {"serial number {SN12345}", "S/N: {887766-A}", "IMEI {356938035643809}", "device id {A1B2C3}", "{(01)00844588003288(17)141120(10)7654321D(21)10987654d321}", "(01)00844588003289", "{+H123PARTNO1234567890120}"},
	"icd-10":  {"{E11.9}", "dx {E119}", "ICD-10: {J45}", "{M54.50}", "E119", "A1", "E11.", "diagnosis code {S72.001A}", "v16.2.35", "C3-C4", "dx {e11.9}", "e11.9", "ICD-10-CM {Z00.00}"},
	"cpt":     {"CPT {99213}", "HCPCS code: {J1100}", "procedure {0001F}", "99213", "CPT 992130", "procedure code {99213}"},
	"ndc":     {"{0002-1433-80}", "{50242-040-62}", "{60505-2604-3}", "{12345-6789-01}", "NDC {00021433800}", "0002143380", "123-45-6789"},
}

func TestDetectors(t *testing.T) {
	for _, d := range resource.Detectors {
		t.Run(d.Name, func(t *testing.T) {
			cases := detectorCases[d.Name]
			if len(cases) == 0 {
				t.Fatal("has no cases")
			}
			det, err := builtin(d.Name)
			if err != nil {
				t.Fatal(err)
			}
			s := newScanner(&Set{}, []*rule{{values: []detector{det}, with: resource.Redact}})
			for _, c := range cases {
				in := strings.NewReplacer("{", "", "}", "").Replace(c)
				want := ""
				for rest := c; ; {
					before, after, ok := strings.Cut(rest, "{")
					want += before
					if !ok {
						break
					}
					_, rest, _ = strings.Cut(after, "}")
					want += "[" + d.Name + "]"
				}
				got, changed := s.replace(nil, []byte(in), 0)
				if string(got) != want {
					t.Errorf("%q became %q, want %q", in, got, want)
				}
				if changed != (want != in) {
					t.Errorf("%q: changed is %v", in, changed)
				}
			}
		})
	}
}

// However a text is made, the time is linear, and a link is found as it is where it stands alone.
func TestDetectors_LinksInLinks(t *testing.T) {
	det, err := builtin("url")
	if err != nil {
		t.Fatal(err)
	}
	s := newScanner(&Set{}, []*rule{{values: []detector{det}, with: resource.Redact}})
	for _, unit := range []string{"www.", "http://", "://", "www. ", "x://a.", "www.a...", "a://!\"", "www.www.\x00", "http://a?b=https://www.c/d)). ", "www.!?"} {
		v := []byte(strings.Repeat(unit, 1500))
		var want []span
		for i := 0; i+1 < len(v); i++ {
			if strings.IndexByte(det.triggers, v[i]) >= 0 && strings.IndexByte(det.then, v[i+1]) >= 0 {
				if start, end := findURL(v, i); end > start {
					want = append(want, span{start, end, s.by[det.bit]})
				}
			}
		}
		if got := s.scan(v, nil); !slices.Equal(got, want) {
			t.Errorf("%q: %d links, want %d", unit, len(got), len(want))
		}
		v = []byte(strings.Repeat(unit, 1<<20/len(unit)))
		began := cpuTime() // other programs do not stretch it
		if n := len(s.spans(v)); cpuTime()-began > 2*time.Second {
			t.Errorf("%q: 1 MiB, with %d links, takes %s", unit, n, cpuTime()-began)
		}
	}
}
