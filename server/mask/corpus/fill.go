package corpus

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// fill is what a placeholder becomes, and which identifier that is; "" is none.
type fill struct {
	class string
	make  func(*generator) string
}

var fills = map[string]fill{
	"name":    {"name", (*generator).fullName},
	"first":   {"name", (*generator).first},
	"last":    {"name", (*generator).last},
	"revname": {"name", func(g *generator) string { return g.last() + ", " + g.first() + pick(g, "", " "+g.digits("A")+".", "") }},
	"upname":  {"name", func(g *generator) string { return strings.ToUpper(g.last() + ", " + g.first()) }},
	"street":  {"address", (*generator).street},
	"pobox":   {"address", func(g *generator) string { return pick(g, "P.O. Box ", "PO Box ", "P. O. Box ") + g.digits("N##") }},
	"city":    {"city", func(g *generator) string { return pick(g, cities...) }},
	"county":  {"city", func(g *generator) string { return pick(g, counties...) + " County" }},
	"st":      {"", func(g *generator) string { return pick(g, "IL", "OH", "TX", "CA", "NY", "MN", "GA", "WA", "FL", "NC") }},
	"state": {"", func(g *generator) string {
		return pick(g, "Illinois", "Ohio", "Texas", "Minnesota", "Georgia", "Oregon")
	}},
	"zip":  {"zip", func(g *generator) string { return g.digits("N####") }},
	"zip9": {"zip", func(g *generator) string { return g.digits("N####-####") }},
	"date": {"date", (*generator).date},
	"monthyear": {"date", func(g *generator) string {
		return pick(g, months...) + pick(g, " ", ", ", " of ") + g.year()
	}},
	"monthday": {"date", func(g *generator) string {
		return pick(g, months...) + " " + strconv.Itoa(1+g.r.IntN(28)) + pick(g, "", "th", "")
	}},
	"slashday": {"date", func(g *generator) string { return fmt.Sprintf("%d/%d", 1+g.r.IntN(12), 1+g.r.IntN(28)) }},
	"age":      {"age", func(g *generator) string { return strconv.Itoa(90 + g.r.IntN(15)) }},
	"young":    {"", func(g *generator) string { return strconv.Itoa(1 + g.r.IntN(89)) }},
	"phone":    {"phone", (*generator).phone},
	"phone10":  {"phone", func(g *generator) string { return g.digits("N##N######") }},
	"local":    {"phone", func(g *generator) string { return g.digits("N##-####") }},
	"intl": {"phone", func(g *generator) string {
		return pick(g, g.digits("+44 20 79## ####"), g.digits("+52 55 #### ####"), g.digits("+49-30-#######"))
	}},
	"email": {"email", (*generator).email},
	"ssn": {"us-ssn", func(g *generator) string {
		return pick(g, g.digits("N##-##-####"), g.digits("N##-##-####"), g.digits("N## ## ####"))
	}},
	"ssn9": {"us-ssn", func(g *generator) string { return g.digits("N########") }},
	"mrn": {"mrn", func(g *generator) string {
		return pick(g, g.digits("########"), g.digits("#######"), g.digits("A######"), g.digits("##-##-##"), g.digits("000#####"))
	}},
	"plan": {"health-plan", func(g *generator) string {
		return pick(g, g.digits("AAA#########"), g.digits("A########"), g.digits("##########-##"), g.digits("AA#######A"))
	}},
	"group": {"health-plan", func(g *generator) string { return g.digits("N##") }},
	"mbi":   {"health-plan", (*generator).mbi},
	"account": {"account", func(g *generator) string {
		return pick(g, g.digits("##########"), g.digits("####-######"), g.digits("AC-#######"))
	}},
	"license": {"license", func(g *generator) string {
		return pick(g, g.digits("A#######"), g.digits("A###-####-####"), g.digits("########"), g.digits("AA######"))
	}},
	"vin": {"vin", (*generator).vin},
	"plate": {"plate", func(g *generator) string {
		return pick(g, g.digits("AAA-####"), g.digits("AAA ####"), g.digits("#AAA###"), g.digits("AA#####"))
	}},
	"device": {"device", func(g *generator) string {
		return pick(g, g.digits("AAA######A"), g.digits("SN########"), g.digits("########"), g.digits("A##-#####-##"))
	}},
	"udi":  {"device", func(g *generator) string { return "(01)" + g.gtin() + g.digits("(17)2N0N1#(10)A####(21)######") }},
	"imei": {"device", func(g *generator) string { return withLuhn(g.digits("35############")) }},
	"url":  {"url", (*generator).url},
	"ip": {"ip", func(g *generator) string {
		return fmt.Sprintf("%d.%d.%d.%d", 1+g.r.IntN(223), g.r.IntN(256), g.r.IntN(256), 1+g.r.IntN(254))
	}},
	"ip6": {"ip", func(g *generator) string {
		return pick(g, g.digits("2001:db8:hhhh:hh::hhh"), g.digits("fe80::hhhh:hhff:fehh:hhhh"), g.digits("2607:f8b0:4005:hhh:0:0:0:200e"))
	}},
	"card":    {"credit-card", (*generator).card},
	"npi":     {"npi", func(g *generator) string { return withNPI("1" + g.digits("########")) }},
	"dea":     {"dea", (*generator).dea},
	"icd":     {"icd-10", func(g *generator) string { return pick(g, icd...) }},
	"icdbare": {"icd-10", func(g *generator) string { return pick(g, "I10", "J45", "R51", "E119", "M545", "Z23") }},
	"cpt": {"cpt", func(g *generator) string {
		return pick(g, "99213", "99214", "99285", "93000", "71046", "36415", "80053", "90686", "J1100", "G0439", "0001F")
	}},
	"ndc": {"ndc", func(g *generator) string {
		return pick(g, g.digits("0###-####-##"), g.digits("5####-###-##"), g.digits("6####-####-#"), g.digits("0####-####-##"))
	}},
	"mac":  {"mac", (*generator).mac},
	"uuid": {"uuid", (*generator).uuid},
	"iban": {"iban", (*generator).iban},

	// What identifies nobody, and looks as if it could.
	"n":   {"", func(g *generator) string { return strconv.Itoa(1 + g.r.IntN(9)) }},
	"nn":  {"", func(g *generator) string { return g.digits("N#") }},
	"nnn": {"", func(g *generator) string { return g.digits("N##") }},
	"dose": {"", func(g *generator) string {
		return pick(g, "5 mg", "12.5 mg", "500 mg", "1,000 mL", "0.9%", "10 mEq", "25 mcg/hr", "2 g", "40 units", "81 mg")
	}},
	"drug":    {"", func(g *generator) string { return pick(g, drugs...) }},
	"bp":      {"", func(g *generator) string { return fmt.Sprintf("%d/%d", 95+g.r.IntN(80), 50+g.r.IntN(45)) }},
	"lab":     {"", (*generator).lab},
	"year":    {"", (*generator).year},
	"version": {"", func(g *generator) string { return fmt.Sprintf("%d.%d.%d", g.r.IntN(20), g.r.IntN(30), g.r.IntN(99)) }},
	"time":    {"", func(g *generator) string { return fmt.Sprintf("%02d:%02d", g.r.IntN(24), g.r.IntN(60)) }},
	"money":   {"", func(g *generator) string { return pick(g, "$1,250.00", "$84.50", "$12,004.17", "USD 310") }},
	"ratio":   {"", func(g *generator) string { return fmt.Sprintf("%d/%d", 1+g.r.IntN(4), 5) }},
	"range":   {"", func(g *generator) string { return pick(g, "3-5", "10-14", "135-145", "0.6-1.2", "4000-11000") }},
	"disease": {"", func(g *generator) string { return pick(g, diseases...) }},
	"eponym":  {"", func(g *generator) string { return pick(g, eponyms...) }},
	"hash":    {"", func(g *generator) string { return g.digits(strings.Repeat("h", 40)) }},
	"notiban": {"", func(g *generator) string { return pick(g, "DE", "NL", "AT") + g.digits("00 #### #### ####") }}, // no IBAN has 00
	"notmac":  {"", func(g *generator) string { return g.digits("hh:hh:hh:hh:hh") }},
}

var months = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December", "Jan", "Feb", "Mar", "Sept", "Oct", "Dec"}

var drugs = []string{"metformin", "lisinopril", "Lipitor", "Tylenol", "vancomycin", "Zofran", "Lasix", "heparin", "Coumadin", "Keppra", "Ativan", "Humira", "Norco", "Advair", "albuterol"}

var diseases = []string{"hypertension", "type 2 diabetes", "COPD", "CHF", "atrial fibrillation", "CKD stage 3", "GERD", "asthma", "migraine", "anemia", "sepsis", "pneumonia"}

var eponyms = []string{"Parkinson disease", "Crohn's disease", "Bell's palsy", "Foley catheter", "Glasgow Coma Scale 15", "Graves disease", "Hashimoto thyroiditis", "Murphy's sign", "Homans sign", "Down syndrome", "Apgar scores", "Wells score", "Child-Pugh class B", "Alzheimer's dementia", "Raynaud phenomenon", "Jackson-Pratt drain", "Allen test", "Cushing syndrome", "Addison disease", "Wilson disease"}

var icd = []string{"E11.9", "I10.0", "J45.909", "M54.50", "F32.1", "Z79.4", "S72.001A", "N18.31", "K21.9", "R07.89", "O09.511", "C50.919"}

func (g *generator) year() string { return strconv.Itoa(1950 + g.r.IntN(76)) }

func (g *generator) lab() string {
	return pick(g,
		fmt.Sprintf("WBC %d.%d", 3+g.r.IntN(12), g.r.IntN(10)), fmt.Sprintf("Hgb %d.%d g/dL", 7+g.r.IntN(9), g.r.IntN(10)),
		fmt.Sprintf("Plt %d", 90+g.r.IntN(400)), fmt.Sprintf("Na %d", 128+g.r.IntN(20)), fmt.Sprintf("K %d.%d", 3+g.r.IntN(3), g.r.IntN(10)),
		fmt.Sprintf("A1c %d.%d%%", 5+g.r.IntN(7), g.r.IntN(10)), fmt.Sprintf("glucose %d mg/dL", 70+g.r.IntN(300)), fmt.Sprintf("troponin 0.0%d", g.r.IntN(9)),
		fmt.Sprintf("eGFR %d", 15+g.r.IntN(100)), fmt.Sprintf("TSH %d.%02d", g.r.IntN(9), g.r.IntN(100)), fmt.Sprintf("INR %d.%d", 1+g.r.IntN(3), g.r.IntN(10)),
		fmt.Sprintf("BNP %d pg/mL", 90+g.r.IntN(4000)), fmt.Sprintf("CK %d", 100+g.r.IntN(20000)))
}

func (g *generator) date() string {
	t := time.Date(1931+g.r.IntN(95), time.Month(1+g.r.IntN(12)), 1+g.r.IntN(28), 0, 0, 0, 0, time.UTC)
	layouts := []string{"2006-01-02", "01/02/2006", "1/2/2006", "1/2/06", "01-02-2006", "January 2, 2006", "Jan 2, 2006", "2 January 2006", "02-Jan-2006", "Jan. 2, 2006", "2 Jan 2006"}
	if g.heldOut {
		layouts = append(layouts, "02.01.2006", "2006/01/02", "January 2nd, 2006", "Monday, January 2, 2006", "02JAN2006", "1-2-06", "Jan 2 2006")
	}
	return t.Format(pick(g, layouts...))
}

func (g *generator) phone() string {
	area, mid := g.digits("N##"), g.digits("N##")
	last := g.digits("####")
	forms := []string{"(%s) %s-%s", "%s-%s-%s", "%s.%s.%s", "(%s)%s-%s", "%s %s %s", "1-%s-%s-%s", "+1 %s-%s-%s"}
	if g.heldOut {
		forms = append(forms, "+1 (%s) %s-%s", "1 (%s) %s-%s", "%s/%s-%s", "(%s) %s %s", "+1%s%s%s", "%s-%s-%s x12")
	}
	return fmt.Sprintf(pick(g, forms...), area, mid, last)
}

func (g *generator) email() string {
	user := strings.ToLower(g.first())
	user = strings.NewReplacer(" ", "", "'", "", "é", "e", "ñ", "n", "í", "i").Replace(user)
	domain := pick(g, "example.com", "mail.example.org", "clinic.example", "uni-hospital.example.edu", "example.co.uk")
	return user + pick(g, "", g.digits("##"), "."+strings.ToLower(g.digits("AAAA")), "_"+g.digits("#"), "+lab") + "@" + domain
}

func (g *generator) url() string {
	host := pick(g, "portal.clinic.example", "www.example.org", "images.example.com", "mychart.example.net")
	return pick(g, "https://"+host+g.digits("/p/#####"), "http://"+host+"/view?id="+g.digits("####"), "https://"+host, "www.example.com/u/"+strings.ToLower(g.digits("AAAA")))
}

func (g *generator) street() string {
	number := strconv.Itoa(1 + g.r.IntN(9999))
	name := pick(g, streets...)
	kind := pick(g, "Street", "St", "St.", "Avenue", "Ave", "Road", "Rd.", "Lane", "Drive", "Dr", "Blvd", "Boulevard", "Court", "Way", "Place")
	if g.heldOut {
		kind = pick(g, kind, "Terrace", "Pkwy", "Circle", "Cir", "Trail", "Hwy", "Ln", "Parkway")
	}
	s := number + " " + pick(g, "", "", "N ", "South ", "W. ") + name + " " + kind
	return s + pick(g, "", "", "", ", Apt "+g.digits("#A"), " #"+g.digits("N#"), ", Unit "+g.digits("N"), ", Suite "+g.digits("N00"))
}

func (g *generator) first() string {
	if g.r.IntN(4) == 0 {
		return pick(g, rareGiven...)
	}
	return pick(g, given...)
}

func (g *generator) last() string {
	if g.r.IntN(4) == 0 {
		return pick(g, rareSurnames...)
	}
	return pick(g, surnames...)
}

func (g *generator) fullName() string {
	return g.first() + pick(g, " ", " ", " "+g.digits("A")+". ", " "+g.digits("A")+" ") + g.last()
}

func (g *generator) mbi() string {
	const letters = "ACDEFGHJKMNPQRTUVWXY"
	l := func() string { return string(letters[g.r.IntN(len(letters))]) }
	a, b, c := g.digits("N")+l()+l()+g.digits("#"), l()+g.digits("##"), l()+l()+g.digits("##")
	return pick(g, a+"-"+b+"-"+c, a+b+c)
}

// gtin is 14 digits with GS1's check digit.
func (g *generator) gtin() string {
	d := g.digits("008###########")[:13]
	sum := 0
	for i, c := range d {
		n := int(c - '0')
		if i%2 == 0 {
			n *= 3
		}
		sum += n
	}
	return d + strconv.Itoa((10-sum%10)%10)
}

func luhnDigit(d string, sum int) string {
	for i := range d {
		n := int(d[len(d)-1-i] - '0')
		if i%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return strconv.Itoa((10 - sum%10) % 10)
}

func withLuhn(d string) string { return d + luhnDigit(d, 0) }

func withNPI(d string) string { return d + luhnDigit(d, 24) }

func (g *generator) card() string {
	d := withLuhn(pick(g, g.digits("4##############"), g.digits("52#############"), g.digits("6011###########"), g.digits("37############")))
	if len(d) == 16 {
		return pick(g, d, d[:4]+" "+d[4:8]+" "+d[8:12]+" "+d[12:], d[:4]+"-"+d[4:8]+"-"+d[8:12]+"-"+d[12:])
	}
	return pick(g, d, d[:4]+" "+d[4:10]+" "+d[10:])
}

func (g *generator) dea() string {
	d := g.digits("######")
	n := func(i int) int { return int(d[i] - '0') }
	return pick(g, "A", "B", "F", "M") + g.digits("A") + d + strconv.Itoa((n(0)+n(2)+n(4)+2*(n(1)+n(3)+n(5)))%10)
}

func (g *generator) vin() string {
	const chars = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
	const values = "0123456789" + "12345678" + "12345" + "7" + "9" + "23456789" // 49 CFR 565.15
	weights := []int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	b := []byte(pick(g, "1HG", "2T1", "JH4", "5YJ", "WBA", "1FT"))
	for len(b) < 17 {
		b = append(b, chars[g.r.IntN(len(chars))])
	}
	for i := 12; i < 17; i++ {
		b[i] = byte('0' + g.r.IntN(10))
	}
	sum := 0
	for i, c := range b {
		sum += int(values[strings.IndexByte(chars, c)]-'0') * weights[i]
	}
	b[8] = "0123456789X"[sum%11]
	return string(b)
}

func (g *generator) mac() string {
	m := g.digits("hh:hh:hh:hh:hh:hh")
	if g.heldOut {
		return pick(g, m, strings.ToUpper(m), strings.ToUpper(strings.ReplaceAll(m, ":", "-")), g.digits("hhhh.hhhh.hhhh"), strings.ReplaceAll(m, ":", ""))
	}
	return m
}

func (g *generator) uuid() string {
	u := g.digits("hhhhhhhh-hhhh-4hhh-ahhh-hhhhhhhhhhhh")
	if g.heldOut {
		return pick(g, u, strings.ToUpper(u), g.digits("hhhhhhhh-hhhh-7hhh-bhhh-hhhhhhhhhhhh"), strings.ReplaceAll(u, "-", ""))
	}
	return u
}

// iban is an account number with the check digits of ISO 13616.
func (g *generator) iban() string {
	country := pick(g, "DE", "GB", "NL", "ES", "AT", "CH")
	bban := map[string]string{
		"DE": "##################", "GB": "AAAA##############", "NL": "AAAA##########", "ES": "####################",
		"AT": "################", "CH": "#################",
	}[country]
	if g.heldOut {
		country = pick(g, "FR", "BE", "PL", "NO", "IE", "LU")
		bban = map[string]string{
			"FR": "##########A##########N#", "BE": "############", "PL": "########################", "NO": "###########",
			"IE": "AAAA##############", "LU": "###A##A######A##",
		}[country]
	}
	bban = g.digits(bban)
	rest := 0
	for _, c := range bban + country + "00" {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	whole := country + fmt.Sprintf("%02d", 98-rest) + bban
	var groups []string
	for s := whole; s != ""; s = s[min(4, len(s)):] {
		groups = append(groups, s[:min(4, len(s))])
	}
	if g.heldOut {
		return pick(g, whole, strings.Join(groups, " "), strings.Join(groups, "-"), strings.ToLower(whole))
	}
	return pick(g, whole, strings.Join(groups, " "), strings.Join(groups, "-"))
}
