"""Phone numbers, as the API takes them: digits with the country code (MSISDN)."""

import re
import unicodedata

# ePayment OpenAPI 1.8.1: `customer.phoneNumber`.
PATTERN = re.compile(r'[1-9]\d{8,14}')

# Country codes (ITU-T E.164) by ISO 3166 code.
COUNTRY_CODES = {
    country: code for code, countries in (
        line.split(':') for line in """
        1:US CA AG AI AS BB BM BS DM DO GD GU JM KN KY LC MP MS PR SX TC TT VC VG VI
        7:RU KZ|20:EG|27:ZA|30:GR|31:NL|32:BE|33:FR|34:ES|36:HU|39:IT VA|40:RO|41:CH|43:AT
        44:GB GG IM JE|45:DK|46:SE|47:NO SJ|48:PL|49:DE|51:PE|52:MX|53:CU|54:AR|55:BR|56:CL|57:CO
        58:VE|60:MY|61:AU CC CX|62:ID|63:PH|64:NZ|65:SG|66:TH|81:JP|82:KR|84:VN|86:CN|90:TR|91:IN
        92:PK|93:AF|94:LK|95:MM|98:IR|211:SS|212:MA EH|213:DZ|216:TN|218:LY|220:GM|221:SN|222:MR
        223:ML|224:GN|225:CI|226:BF|227:NE|228:TG|229:BJ|230:MU|231:LR|232:SL|233:GH|234:NG|235:TD
        236:CF|237:CM|238:CV|239:ST|240:GQ|241:GA|242:CG|243:CD|244:AO|245:GW|246:IO|248:SC|249:SD
        250:RW|251:ET|252:SO|253:DJ|254:KE|255:TZ|256:UG|257:BI|258:MZ|260:ZM|261:MG|262:RE YT
        263:ZW|264:NA|265:MW|266:LS|267:BW|268:SZ|269:KM|290:SH|291:ER|297:AW|298:FO|299:GL|350:GI
        351:PT|352:LU|353:IE|354:IS|355:AL|356:MT|357:CY|358:FI AX|359:BG|370:LT|371:LV|372:EE
        373:MD|374:AM|375:BY|376:AD|377:MC|378:SM|380:UA|381:RS|382:ME|383:XK|385:HR|386:SI|387:BA
        389:MK|420:CZ|421:SK|423:LI|500:FK|501:BZ|502:GT|503:SV|504:HN|505:NI|506:CR|507:PA|508:PM
        509:HT|590:GP BL MF|591:BO|592:GY|593:EC|594:GF|595:PY|596:MQ|597:SR|598:UY|599:CW BQ
        670:TL|672:NF|673:BN|674:NR|675:PG|676:TO|677:SB|678:VU|679:FJ|680:PW|681:WF|682:CK|683:NU
        685:WS|686:KI|687:NC|688:TV|689:PF|690:TK|691:FM|692:MH|850:KP|852:HK|853:MO|855:KH|856:LA
        880:BD|886:TW|960:MV|961:LB|962:JO|963:SY|964:IQ|965:KW|966:SA|967:YE|968:OM|970:PS|971:AE
        972:IL|973:BH|974:QA|975:BT|976:MN|977:NP|992:TJ|993:TM|994:AZ|995:GE|996:KG|998:UZ
        """.replace('\n', '|').split('|') if ':' in line
    ) for country in countries.split() for code in [code.strip()]
}

# Countries whose national numbers have one length.
NATIONAL_LENGTHS = {
    '45': 8, '47': 8, '298': 6, '299': 6, '354': 7, '34': 9, '351': 9, '48': 9, '420': 9, '421': 9,
    '1': 10, '7': 10, '30': 10, '371': 8, '33': 9,
}

# What is dialled before a national number, and dropped behind a country code: a zero if not here.
TRUNK_PREFIXES = {
    **dict.fromkeys((
        '1', '30', '34', '39', '45', '47', '48', '298', '299', '351', '352', '354', '356', '357',
        '371', '372', '377', '378', '420',
    ), ''),
    '7': '8', '36': '06', '375': '80',
}

SEPARATORS = re.compile(r'[\s().\-/‐-―−]')


def normalize(text, country):
    """Return a phone number with its country code, if it is one.

    :param str text: The number as typed by a person.
    :param str | None country: The ISO 3166 code of the country of a number without a country code.
    :return: 9 to 15 digits, or None.
    :rtype: str | None
    """
    text = unicodedata.normalize('NFKC', text or '').replace('(0)', '')
    text = ''.join(char for char in SEPARATORS.sub('', text) if unicodedata.category(char) != 'Cf')
    is_international = text.startswith(('+', '00'))
    digits = text[1:] if text.startswith('+') else text[2:] if is_international else text
    if not digits.isascii() or not digits.isdigit():
        return None
    own_code = COUNTRY_CODES.get((country or '').upper())
    if is_international:
        code = next((digits[:n] for n in (3, 2, 1) if digits[:n] in _CODES), None)
    else:
        code = own_code
    if not code:
        return None
    national = digits[len(code):] if is_international or _has_code(digits, code) else digits
    if _has_code(national, code) and NATIONAL_LENGTHS.get(code):
        national = national[len(code):]  # The country code was there twice.
    trunk = TRUNK_PREFIXES.get(code, '0')
    if trunk and national.startswith(trunk) and not (is_international and trunk != '0'):
        national = national[len(trunk):]
    if len(national) != NATIONAL_LENGTHS.get(code, len(national)):
        return None
    if national.startswith('0') and code not in ('39', '378'):
        return None
    number = code + national
    return number if PATTERN.fullmatch(number) else None


def _has_code(digits, code):
    """Return whether a number without a plus sign begins with its country code all the same."""
    length = NATIONAL_LENGTHS.get(code)
    if length:
        return digits.startswith(code) and len(digits) >= length + len(code)
    # Where a trunk prefix is dialled, a national number always begins with it.
    return TRUNK_PREFIXES.get(code, '0') and digits.startswith(code) and (
        len(digits) >= len(code) + 6
    )


_CODES = frozenset(COUNTRY_CODES.values())
