package corpus

// The lists are of the corpus alone: names that are common, and names that no short
// dictionary has.

var given = []string{
	"James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth", "William", "Barbara", "Richard", "Susan",
	"Joseph", "Jessica", "Thomas", "Sarah", "Carlos", "Karen", "Maria", "Daniel", "Nancy", "Anthony", "Sandra", "Mark", "Ashley", "Donald", "Emily",
	"Steven", "Kimberly", "Andrew", "Donna", "Joshua", "Michelle", "Kevin", "Carol", "Brian", "Amanda", "George", "Dorothy", "Jose", "Melissa",
	"Edward", "Deborah", "Ronald", "Stephanie", "Timothy", "Rebecca", "Jason", "Sharon", "Gloria", "Ryan", "Cynthia", "Grace", "Rose", "Hope", "Will",
	"Juan", "Luis", "Rosa", "Ana", "Walter", "Harold", "Frances", "Evelyn", "Olivia", "Liam", "Noah", "Sophia", "Mia", "Ethan", "Tyler", "Aaron",
}

var rareGiven = []string{
	"Aoife", "Xiomara", "Priya", "Wei", "Nguyet", "Oluwaseun", "Siobhan", "Anastasia", "Thaddeus", "Zainab", "Kwame", "Ingrid", "Dmitri", "Yuki",
	"Leilani", "Bartholomew", "Shaniqua", "Jean-Paul", "Mehmet", "Fatima", "Ezekiel", "Marisol", "Renée", "José", "Ngozi", "Svetlana", "Tariq", "Philippa",
	"Ignacio", "Hyun", "Keisha", "Lakshmi", "Rufus", "Wilhelmina",
}

var surnames = []string{
	"Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez", "Hernandez", "Lopez", "Gonzalez",
	"Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee", "Perez", "Thompson", "White", "Harris", "Sanchez", "Clark",
	"Ramirez", "Lewis", "Robinson", "Walker", "Young", "Allen", "King", "Wright", "Scott", "Torres", "Nguyen", "Hill", "Flores", "Green", "Adams",
	"Nelson", "Baker", "Hall", "Rivera", "Campbell", "Mitchell", "Carter", "Roberts", "Patel", "Kim", "Chen", "Murphy", "Kelly", "Cohen", "Reyes",
	"Price", "Long", "Foster", "Parker", "Cook", "Morgan", "Bell", "Ward", "Gray", "Hughes", "Wood", "Bennett",
}

var rareSurnames = []string{
	"O'Shaughnessy", "Abdullahi", "Wojciechowski", "Okonkwo", "Papadopoulos", "Venkataraman", "MacGillivray", "de la Cruz", "van der Berg", "Tanaka",
	"Featherstone", "Quackenbush", "Yilmaz", "Bhattacharya", "Szymanski", "Oyelaran", "Lindqvist", "Featheringill", "Nakamura", "Haddad", "Kowalczyk",
	"St. Clair", "Smith-Jones", "Al-Rashid", "Delacroix", "Ferreira", "Zielinski", "Ostrowski", "Trujillo", "McAllister", "Fitzwilliam", "Thistlewood",
}

var cities = []string{
	"Springfield", "Columbus", "Austin", "Sacramento", "Albany", "Rochester", "Savannah", "Tacoma", "Orlando", "Durham", "Naperville", "Akron",
	"Fort Worth", "San Jose", "Saint Paul", "Eau Claire", "Bend", "Chula Vista", "Grand Rapids", "Duluth", "Yakima", "Zanesville", "Kalamazoo", "Paducah",
	"Oshkosh", "Walla Walla", "Chattanooga", "Muncie",
}

var counties = []string{"Hennepin", "Cook", "Orange", "King", "Harris", "St. Louis", "Prince George's", "San Diego", "Cuyahoga", "DeKalb"}

var streets = []string{
	"Main", "Oak", "Maple", "Washington", "Elm", "Lakeview", "2nd", "5th", "42nd", "Martin Luther King", "Park", "Sunset", "Cherry Hill", "Old Mill",
	"Birchwood", "Jefferson", "Quail Run", "Calle Real", "Hollow Creek", "University",
}
