package resource

import "strings"

// Detector is a kind of value that can be told by its text alone, or by the words
// around it. server/mask finds them.
type Detector struct {
	Name string // as in MaskRule.detect; what it finds becomes [name]
	What string // one line for the reference
}

// Detectors lists every detector.
var Detectors = []Detector{
	{"name", "names of persons: after a title, before a degree, after words such as patient or mother, and by lists of common given names and surnames"},
	{"address", "street addresses with house number and kind of street, P.O. boxes"},
	{"city", "cities before a state, after words such as lives in, and counties"},
	{"us-ssn", "Social Security numbers and ITINs, 123-45-6789; nine digits alone only after SSN or social security"},
	{"email", "e-mail addresses"},
	{"phone", "North American telephone and fax numbers with separators, and international ones that start with +"},
	{"ip", "IPv4 and IPv6 addresses"},
	{"url", "addresses that start with http, https, ftp or www."},
	{"credit-card", "payment card numbers of 13 to 19 digits; Luhn check digit"},
	{"iban", "international bank account numbers; ISO 7064 check digits"},
	{"npi", "National Provider Identifiers: ten digits after NPI, or any with a correct check digit that starts with 1 or 2"},
	{"dea", "DEA registration numbers; check digit"},
	{"vin", "vehicle identification numbers; check digit"},
	{"mac", "hardware (MAC) addresses"},
	{"uuid", "UUIDs, as devices and records have them"},
	{"date", "days and months of dates: 2026-11-23, 11/23/2026, 23 Nov 2026, November 23, 2026"},
	{"age", "ages over 89, as in 93 years old, 93 y/o, aged 93"},
	{"zip", "US ZIP codes: after a state's two letters or the words ZIP or postal code, and ZIP+4"},
	{"mrn", "medical record numbers: digits and letters after MRN, medical record or chart number"},
	{"health-plan", "health plan numbers: after member, subscriber, policy, insurance or Medicare ID; Medicare beneficiary identifiers"},
	{"account", "account numbers: after account or acct"},
	{"license", "certificate and licence numbers: after license, licence, certificate or DL"},
	{"plate", "vehicle plates: after license plate, plate or registration plate"},
	{"device", "device identifiers: after serial, S/N, device ID, IMEI, UDI"},
	{"icd-10", "ICD-10 codes: those with a decimal part, and others after ICD or diagnosis code"},
	{"cpt", "CPT and HCPCS codes after CPT, HCPCS or procedure code"},
	{"ndc", "National Drug Codes with separators, and digits after NDC"},
}

func detectorNames() string {
	names := make([]string, len(Detectors))
	for i, d := range Detectors {
		names[i] = d.Name
	}
	return strings.Join(names, ", ")
}
